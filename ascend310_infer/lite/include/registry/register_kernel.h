// MindSpore Lite's documented registry of kernels, which the Python package has in its libraries, not its headers.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "include/api/kernel.h"
#include "include/api/status.h"

namespace mindspore::registry {

using CreateKernel = std::function<std::shared_ptr<kernel::Kernel>(
    const std::vector<MSTensor> &inputs, const std::vector<MSTensor> &outputs, const schema::Primitive *primitive,
    const Context *context)>;

class RegisterKernel {
 public:
  static Status RegKernel(const std::vector<char> &arch, const std::vector<char> &provider, DataType data_type,
                          int type, CreateKernel creator);
};

}  // namespace mindspore::registry
