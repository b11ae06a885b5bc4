#pragma once

namespace tinynets {

// Starts the program again with MindSpore's log off, unless TINYNETS_DEBUG is set: the library reads GLOG_v before
// main.
void QuietLibrary(char **argv);

// While one lives, a crash inside MindSpore Lite ends the program with one line and exit code 2: a damaged model can
// bring one about.
class CrashGuard {
 public:
  CrashGuard();
  ~CrashGuard();
  CrashGuard(const CrashGuard &) = delete;
  void operator=(const CrashGuard &) = delete;
};

}  // namespace tinynets
