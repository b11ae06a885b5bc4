#include "library.h"

#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <cstring>

namespace tinynets {
namespace {

constexpr int SIGNALS[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};

extern "C" void OnCrash(int) {
  constexpr char LINE[] = "error: MindSpore Lite crashes on the model; it is damaged, or not made for this release\n";
  const ssize_t written = write(STDERR_FILENO, LINE, sizeof LINE - 1);
  _exit(written < 0 ? 3 : 2);
}

}  // namespace

void QuietLibrary(char **argv) {
  constexpr char OFF[] = "4";
  const char *level = std::getenv("GLOG_v");
  if (std::getenv("TINYNETS_DEBUG") != nullptr || (level != nullptr && std::strcmp(level, OFF) == 0)) return;
  setenv("GLOG_v", OFF, 1);
  execv("/proc/self/exe", argv);  // if that fails, the program continues with the log
}

CrashGuard::CrashGuard() {
  for (const int number : SIGNALS) std::signal(number, OnCrash);
}

CrashGuard::~CrashGuard() {
  for (const int number : SIGNALS) std::signal(number, SIG_DFL);
}

}  // namespace tinynets
