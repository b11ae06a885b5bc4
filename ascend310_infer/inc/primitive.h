#pragma once

#include <cstdint>
#include <vector>

#include "schema/model_generated.h"

namespace tinynets {

// An operator's attributes, by their places in its table in MindSpore Lite's schema (a FlatBuffers file, for which the
// Python package has no header). Attributes that the file leaves out have their default, 0 or none.

// An attribute of a single byte.
int Attribute(const mindspore::schema::Primitive *primitive, int index);

// Whether the file has the attribute.
bool HasAttribute(const mindspore::schema::Primitive *primitive, int index);

// An attribute that is a list of integers.
std::vector<int64_t> Integers(const mindspore::schema::Primitive *primitive, int index);

}  // namespace tinynets
