#pragma once

namespace tinynets {

// Starts the program again with MindSpore's log off, unless TINYNETS_DEBUG is set: the library reads GLOG_v before
// main.
void QuietLibrary(char **argv);

// While an object exists, a crash inside MindSpore Lite, which a damaged model can cause, ends the program with one
// line and exit code 2.
class CrashGuard {
 public:
  CrashGuard();
  ~CrashGuard();
  CrashGuard(const CrashGuard &) = delete;
  void operator=(const CrashGuard &) = delete;
};

}  // namespace tinynets
