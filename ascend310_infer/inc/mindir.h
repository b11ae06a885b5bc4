#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace tinynets {

// A value in a MINDIR file.
struct Value {
  enum Kind { NONE, INTEGER, REAL, TEXT, LIST, TENSOR };

  Kind kind = NONE;
  int64_t integer = 0;  // also of a truth value
  double real = 0;
  std::string text;
  std::vector<Value> list;
  // A tensor: its shape, and its content if it is float32, else nothing.
  std::vector<int64_t> shape;
  std::string_view floats;
};

// An operator of a graph. `place` names it for people.
struct Call {
  std::string type, place, output;
  std::vector<std::string> inputs;
  std::map<std::string, Value> attributes;
};

// A MINDIR file of MindSpore, which is a protocol buffer (mindspore/train/mind_ir_pb2.py describes it).
class Mindir {
 public:
  // Throws UserError if the file cannot be read, is damaged, or holds more than one graph.
  explicit Mindir(const std::string &path);
  Mindir(const Mindir &) = delete;
  void operator=(const Mindir &) = delete;

  const std::string path;
  std::vector<Call> calls;              // in the order of the file
  std::map<std::string, Value> values;  // parameters and constants
  std::vector<std::string> inputs, outputs;
  std::vector<int64_t> shape;  // of the first input

 private:
  void ReadGraph(std::string_view graph);
  void ReadNode(std::string_view node);

  std::string bytes_;                                               // to which the tensors refer
  std::map<std::string, std::map<std::string, Value>> primitives_;  // name of a kind of operator -> attributes
};

}  // namespace tinynets
