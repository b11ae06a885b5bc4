// The parts of MindSpore Lite's schema that include/api/kernel.h uses. The Python package lacks the generated header.
#pragma once

#include <cstdint>

namespace mindspore::schema {

struct Primitive;  // a FlatBuffers table
enum PrimitiveType : uint8_t {
  PrimitiveType_NONE = 0,
  PrimitiveType_Activation = 2,
  PrimitiveType_AddFusion = 5,
  PrimitiveType_AvgPoolFusion = 17,
  PrimitiveType_Concat = 31,
  PrimitiveType_Conv2DFusion = 35,
  PrimitiveType_Flatten = 61,
  PrimitiveType_MatMulFusion = 89,
  PrimitiveType_MaxPoolFusion = 92,
  PrimitiveType_MulFusion = 99,
  PrimitiveType_PadFusion = 107,
  PrimitiveType_Reshape = 119,
  PrimitiveType_Transpose = 162,
};
enum QuantType : int32_t { QuantType_QUANT_NONE = 0 };
enum ActivationType : int8_t {
  ActivationType_NO_ACTIVATION = 0,
  ActivationType_RELU = 1,
  ActivationType_SIGMOID = 2,
  ActivationType_RELU6 = 3,
  ActivationType_SWISH = 18,
};

}  // namespace mindspore::schema
