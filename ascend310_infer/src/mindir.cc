#include "mindir.h"

#include <fstream>
#include <iterator>
#include <protozero/pbf_reader.hpp>
#include <utility>

#include "error.h"

namespace tinynets {
namespace {

using protozero::pbf_reader;
using protozero::pbf_wire_type;

// Fields of the messages and values of their enumerations, by the names in MindSpore's description.
enum Model { PRODUCER = 2, GRAPH = 7, FUNCTIONS = 8, LITTLE_END = 10, PRIMITIVES = 12 };
enum Graph { NODE = 1, PARAMETER = 3, INPUT = 5, OUTPUT = 6 };
enum Info { INFO_NAME = 1, INFO_TENSOR = 2 };
enum Node { NODE_INPUT = 1, NODE_OUTPUT = 2, NODE_NAME = 3, TYPE = 4, NODE_ATTRIBUTE = 5, SCOPE = 7 };
enum Primitive { PRIMITIVE_NAME = 1, PRIMITIVE_ATTRIBUTE = 3 };
enum Tensor { DIMS = 1, DATA_TYPE = 2, TENSOR_NAME = 7, RAW_DATA = 9, EXTERNAL = 12, COMPRESSION = 16 };
enum Attribute {
  ATTRIBUTE_NAME = 1,
  F = 2,
  I = 3,
  D = 4,
  S = 5,
  FLOATS = 8,
  INTS = 10,
  TENSORS = 12,
  KIND = 16,
  VALUES = 17
};
enum Type {
  FLOAT = 1,
  INT64 = 7,
  STRING = 8,
  BOOL = 9,
  DOUBLE = 11,
  UINT32 = 12,
  UINT64 = 13,
  ONE_TENSOR = 17,
  LIST_OF_TENSORS = 19,
  TUPLE = 20,
  LIST = 21
};
constexpr int DEEPEST = 4;              // lists in a list
constexpr size_t MOST_SIDES = 8;        // of a tensor
constexpr size_t MOST_CALLS = 5000;     // the time to fuse them grows with the square; networks here have some hundreds
const std::string REFERENCE = "REF::";  // before the name of a kind of operator

std::string_view View(pbf_reader *message) {
  const auto view = message->get_view();
  return {view.data(), view.size()};
}

pbf_reader Reader(std::string_view message) { return pbf_reader(message.data(), message.size()); }

std::string Text(pbf_reader *message) { return std::string(View(message)); }

int64_t Integer(pbf_reader *message) {
  if (message->wire_type() != pbf_wire_type::length_delimited) return message->get_int64();
  const auto all = message->get_packed_int64();  // a list, of which the first is taken
  return all.empty() ? 0 : *all.begin();
}

void AddIntegers(pbf_reader *message, std::vector<int64_t> *to) {
  if (message->wire_type() != pbf_wire_type::length_delimited) {
    to->push_back(message->get_int64());
  } else {
    for (const int64_t one : message->get_packed_int64()) to->push_back(one);
  }
  if (to->size() > MOST_SIDES) throw UserError("a tensor has more than " + std::to_string(MOST_SIDES) + " sides");
}

// The product of a shape's sides, -1 if one is negative or it is more than `most`.
int64_t Product(const std::vector<int64_t> &shape, int64_t most) {
  int64_t product = 1;
  for (const int64_t side : shape) {
    if (side < 0 || (side > 0 && product > most / side)) return -1;
    product *= side;
  }
  return product;
}

Value ReadTensor(std::string_view message, std::string *name) {
  Value value;
  value.kind = Value::TENSOR;
  int64_t type = 0;
  bool plain = true;
  for (pbf_reader tensor = Reader(message); tensor.next();) {
    switch (tensor.tag()) {
      case DIMS:
        AddIntegers(&tensor, &value.shape);
        break;
      case DATA_TYPE:
        type = tensor.get_int32();
        break;
      case TENSOR_NAME:
        *name = Text(&tensor);
        break;
      case RAW_DATA:
        value.floats = View(&tensor);
        break;
      case EXTERNAL:
        plain = false;
        tensor.skip();
        break;
      case COMPRESSION:
        plain = plain && tensor.get_enum() == 0;
        break;
      default:
        tensor.skip();
    }
  }
  if (!value.floats.empty()) {
    if (!plain) throw UserError("the tensor " + *name + " is compressed or in another file");
    const auto size = static_cast<int64_t>(value.floats.size() / sizeof(float));
    if (type != FLOAT) value.floats = {};
    if (type == FLOAT && (Product(value.shape, size) != size || value.floats.size() % sizeof(float) != 0)) {
      throw UserError("the tensor " + *name + " has another size than its shape");
    }
  }
  return value;
}

Value ReadAttribute(std::string_view message, std::string *name, int depth = 0) {
  if (depth > DEEPEST) throw UserError("an attribute's lists are nested too deep");
  Value value;
  int64_t type = 0;
  std::vector<Value> list;
  Value tensor;
  std::string ignored;
  for (pbf_reader attribute = Reader(message); attribute.next();) {
    switch (attribute.tag()) {
      case ATTRIBUTE_NAME:
        *name = Text(&attribute);
        break;
      case F:
      case FLOATS:
        if (attribute.wire_type() == pbf_wire_type::fixed32) {
          value.real = attribute.get_float();
        } else {
          attribute.skip();
        }
        break;
      case D:
        value.real = attribute.get_double();
        break;
      case I:
      case INTS:
        value.integer = Integer(&attribute);
        break;
      case S:
        value.text = Text(&attribute);
        break;
      case TENSORS:
        tensor = ReadTensor(View(&attribute), &ignored);
        break;
      case KIND:
        type = attribute.get_enum();
        break;
      case VALUES:
        list.push_back(ReadAttribute(View(&attribute), &ignored, depth + 1));
        break;
      default:
        attribute.skip();
    }
  }
  if (type == FLOAT || type == DOUBLE) {
    value.kind = Value::REAL;
  } else if ((type > FLOAT && type <= INT64) || type == BOOL || type == UINT32 || type == UINT64) {
    value.kind = Value::INTEGER;
  } else if (type == STRING) {
    value.kind = Value::TEXT;
  } else if (type == TUPLE || type == LIST) {
    value.kind = Value::LIST;
    value.list = std::move(list);
  } else if (type == LIST_OF_TENSORS || type == ONE_TENSOR) {
    value = tensor;
  }
  return value;
}

std::map<std::string, Value> ReadPrimitive(std::string_view message, std::string *name) {
  std::map<std::string, Value> attributes;
  for (pbf_reader primitive = Reader(message); primitive.next();) {
    if (primitive.tag() == PRIMITIVE_NAME) {
      *name = Text(&primitive);
    } else if (primitive.tag() == PRIMITIVE_ATTRIBUTE) {
      std::string key;
      Value value = ReadAttribute(View(&primitive), &key);
      attributes[key] = std::move(value);
    } else {
      primitive.skip();
    }
  }
  return attributes;
}

// The name of a graph's input or output, and its shape.
std::string ReadInfo(std::string_view message, std::vector<int64_t> *shape) {
  std::string name, ignored;
  for (pbf_reader info = Reader(message); info.next();) {
    if (info.tag() == INFO_NAME) {
      name = Text(&info);
    } else if (info.tag() == INFO_TENSOR) {
      *shape = ReadTensor(View(&info), &ignored).shape;
    } else {
      info.skip();
    }
  }
  return name;
}

}  // namespace

Mindir::Mindir(const std::string &path) : path(path) {
  std::ifstream file(path, std::ios::binary);
  bytes_.assign(std::istreambuf_iterator<char>(file), {});
  if (!file) throw UserError(path + ": cannot be read");
  try {
    std::string_view graph;
    bool functions = false, swapped = true;
    std::string producer;
    for (pbf_reader model = Reader(bytes_); model.next();) {
      switch (model.tag()) {
        case PRODUCER:
          producer = Text(&model);
          break;
        case GRAPH:
          graph = View(&model);
          break;
        case FUNCTIONS:
          functions = true;
          model.skip();
          break;
        case LITTLE_END:
          swapped = !model.get_bool();
          break;
        case PRIMITIVES: {
          std::string name;
          auto attributes = ReadPrimitive(View(&model), &name);
          primitives_[name] = std::move(attributes);
          break;
        }
        default:
          model.skip();
      }
    }
    if (producer != "MindSpore" || graph.empty()) throw UserError("no graph of MindSpore is in it");
    if (functions) throw UserError("it has several graphs, for example for control flow");
    if (swapped) throw UserError("its numbers are not little-endian");
    ReadGraph(graph);
  } catch (const protozero::exception &) {
    throw UserError(path + ": is not a MINDIR of MindSpore, or damaged; export it again");
  } catch (const UserError &error) {
    throw UserError(path + ": is not a MINDIR that this program can run, or damaged: " + error.what());
  }
}

void Mindir::ReadGraph(std::string_view message) {
  std::vector<int64_t> ignored;
  for (pbf_reader graph = Reader(message); graph.next();) {
    switch (graph.tag()) {
      case NODE:
        ReadNode(View(&graph));
        break;
      case PARAMETER: {
        std::string name;
        Value value = ReadTensor(View(&graph), &name);
        values[name] = std::move(value);
        break;
      }
      case INPUT:
        inputs.push_back(ReadInfo(View(&graph), inputs.empty() ? &shape : &ignored));
        break;
      case OUTPUT:
        outputs.push_back(ReadInfo(View(&graph), &ignored));
        break;
      default:
        graph.skip();
    }
  }
}

void Mindir::ReadNode(std::string_view message) {
  Call call;
  std::string name;
  Value value;
  for (pbf_reader node = Reader(message); node.next();) {
    switch (node.tag()) {
      case NODE_INPUT:
        call.inputs.push_back(Text(&node));
        break;
      case NODE_OUTPUT:
        call.output = Text(&node);
        break;
      case NODE_NAME:
        name = Text(&node);
        break;
      case TYPE:
        call.type = Text(&node);
        break;
      case SCOPE:
        call.place = Text(&node);
        break;
      case NODE_ATTRIBUTE: {
        std::string key;
        Value found = ReadAttribute(View(&node), &key);
        if (key == "value") value = std::move(found);
        break;
      }
      default:
        node.skip();
    }
  }
  if (call.type == "Constant") {
    values[call.output] = std::move(value);
    return;
  }
  if (call.place.empty()) call.place = name;
  if (call.type.rfind(REFERENCE, 0) == 0) {
    const std::string kind = call.type.substr(REFERENCE.size());
    const auto found = primitives_.find(kind);
    if (found != primitives_.end()) call.attributes = found->second;
    call.type = kind.substr(0, kind.find(':'));
  }
  if (calls.size() == MOST_CALLS) throw UserError("it has more than " + std::to_string(MOST_CALLS) + " operators");
  calls.push_back(std::move(call));
}

}  // namespace tinynets
