// A team's three threads do a work whose last part fails, then one that succeeds, twice; the result of each, as
// float32: -1 for a failure that the caller got, else the number of parts done.
#include <atomic>
#include <cstdio>
#include <stdexcept>

#include "team.h"

int main() {
  tinynets::Team team(3);
  for (const bool fails : {true, false, true, false}) {
    std::atomic<int> done{0};
    float outcome;
    try {
      team.Run([&](size_t part) {
        if (fails && part == 2) throw std::runtime_error("");
        done++;
      });
      outcome = static_cast<float>(done);
    } catch (const std::runtime_error &) {
      outcome = -1;
    }
    std::fwrite(&outcome, sizeof outcome, 1, stdout);
  }
}
