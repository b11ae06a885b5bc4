#pragma once

#include <cstdint>
#include <vector>

#include "schema/model_generated.h"

namespace tinynets {

// An operator's attributes, by their places in its table in MindSpore Lite's schema (a FlatBuffers file, to which the
// Python package has no header); 0 or none where the file leaves an attribute out, which is its default then.

// One of a single byte.
int Attribute(const mindspore::schema::Primitive *primitive, int index);

// Whether the file has it.
bool HasAttribute(const mindspore::schema::Primitive *primitive, int index);

// One of a list of integers.
std::vector<int64_t> Integers(const mindspore::schema::Primitive *primitive, int index);

}  // namespace tinynets
