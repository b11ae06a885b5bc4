#pragma once

#include <memory>
#include <string>
#include <vector>

#include "network.h"
#include "session.h"

namespace tinynets {

// A network on the program's kernels.
class Engine : public Session {
 public:
  // Reads the MINDIR. Throws UserError if it is damaged, not the manifest's, or has an operator without a kernel.
  Engine(const Arguments &arguments, const Manifest &manifest);
  // Another session of a network that was read, or made by other means.
  Engine(const Arguments &arguments, std::shared_ptr<const Network> network, const Kernels &kernels);

  float *Input() override { return images_.data(); }
  const float *Run() override;
  size_t own_kernels() const override { return network_->operators(); }
  std::string kernels() const override { return kernels_.name; }

  const std::shared_ptr<const Network> &network() const { return network_; }
  const Kernels &set() const { return kernels_; }

 private:
  void Prepare(const Arguments &arguments);

  const Kernels &kernels_;
  std::shared_ptr<const Network> network_;
  const size_t batch_;
  std::unique_ptr<Team> team_;
  std::vector<Network::Memory> memories_;  // one per thread that runs a part of a batch
  std::vector<float> images_, logits_;
};

// The kernels of an instruction set, or the fastest. Throws UserError if the processor does not have it.
const Kernels &ChooseKernels(const std::string &name);

}  // namespace tinynets
