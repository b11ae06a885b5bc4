#pragma once

namespace tinynets {

// Registers our kernels with MindSpore Lite, for the CPU, one thread and networks that are not resized (the library
// would not know the shapes they make): SiLU, sigmoid, the gate of squeeze-and-excitation, the global mean, depthwise
// convolutions. Returns the provider's name by which a context asks for them; an empty one where this library or processor takes none. The
// library keeps its own for all they do not cover.
#ifdef OWN_KERNELS
const char *KernelProvider();

// How many operators of networks built so far run on them.
int KernelsMade();
#else  // built for a MindSpore Lite that takes none
inline const char *KernelProvider() { return ""; }
inline int KernelsMade() { return 0; }
#endif

}  // namespace tinynets
