#include "session.h"

#include <filesystem>

#include "engine.h"
#include "error.h"
#ifdef WITH_LITE
#include "lite.h"
#endif

namespace tinynets {

std::unique_ptr<Session> MakeSession(const Arguments &arguments, const Manifest &manifest, const Session *other) {
  std::error_code ignored;
  if (!std::filesystem::is_regular_file(arguments.model, ignored)) {
    throw UserError(arguments.model + ": no such model file");
  }
  if (arguments.device == "cpu") {
    const auto *const first = dynamic_cast<const Engine *>(other);
    if (first != nullptr) return std::make_unique<Engine>(arguments, first->network(), first->set());
    return std::make_unique<Engine>(arguments, manifest);
  }
#ifdef WITH_LITE
  return std::make_unique<LiteSession>(arguments, manifest);
#else
  throw UserError(
      "--device ascend: this program was built without MindSpore Lite; set MINDSPORE_LITE_HOME to its SDK "
      "and build it again");
#endif
}

}  // namespace tinynets
