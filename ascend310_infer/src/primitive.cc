#include "primitive.h"

#include <cstring>

namespace tinynets {
namespace {

using mindspore::schema::Primitive;

// The place of field `index` of a FlatBuffers table, null if it has its default.
const uint8_t *Field(const void *table, int index) {
  const auto *const start = static_cast<const uint8_t *>(table);
  int32_t back;
  uint16_t size, offset = 0;
  std::memcpy(&back, start, sizeof back);
  const uint8_t *const fields = start - back;
  std::memcpy(&size, fields, sizeof size);
  const size_t entry = sizeof offset * (2 + index);
  if (entry + sizeof offset <= size) std::memcpy(&offset, fields + entry, sizeof offset);
  return offset == 0 ? nullptr : start + offset;
}

// The place that a field with an offset points to.
const uint8_t *Follow(const uint8_t *field) {
  if (field == nullptr) return nullptr;
  uint32_t forward;
  std::memcpy(&forward, field, sizeof forward);
  return field + forward;
}

// An attribute of an operator, by its place in the operator's table in MindSpore Lite's schema.
const uint8_t *Find(const Primitive *primitive, int index) {
  const uint8_t *const table = primitive == nullptr ? nullptr : Follow(Field(primitive, 1));  // 0 is the union's type
  return table == nullptr ? nullptr : Field(table, index);
}

}  // namespace

bool HasAttribute(const Primitive *primitive, int index) { return Find(primitive, index) != nullptr; }

int Attribute(const Primitive *primitive, int index) {
  const uint8_t *const byte = Find(primitive, index);
  return byte == nullptr ? 0 : static_cast<int8_t>(*byte);
}

std::vector<int64_t> Integers(const Primitive *primitive, int index) {
  const uint8_t *const list = Follow(Find(primitive, index));
  uint32_t size = 0;
  if (list != nullptr) std::memcpy(&size, list, sizeof size);
  std::vector<int64_t> integers(size);
  if (size > 0) std::memcpy(integers.data(), list + sizeof size, size * sizeof(int64_t));
  return integers;
}

}  // namespace tinynets
