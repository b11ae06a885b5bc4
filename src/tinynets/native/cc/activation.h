// Activations, each with its value and its slope at u.
#pragma once
#include "vec.h"

namespace tinynets {

struct Identity {
  template <class V>
  static V value(V u) {
    return u;
  }
  template <class V>
  static V slope(V) {
    return spread<V>(1.f);
  }
};
struct Silu {
  template <class V>
  static V value(V u) {
    return u * sigmoid(u);
  }
  template <class V>
  static V slope(V u) {
    const V s = sigmoid(u);
    return s * (1.f + u * (1.f - s));
  }
};
struct Relu {  // NaN propagates
  template <class V>
  static V value(V u) {
    return u < 0.f ? V{} : u;
  }
  template <class V>
  static V slope(V u) {
    return u > 0.f ? spread<V>(1.f) : V{};
  }
};
struct Relu6 {
  template <class V>
  static V value(V u) {
    u = u < 0.f ? V{} : u;
    return u > 6.f ? spread<V>(6.f) : u;
  }
  template <class V>
  static V slope(V u) {
    const V one = u > 0.f ? spread<V>(1.f) : V{};
    return u < 6.f ? one : V{};
  }
};
struct HardSwish {  // u relu6(u + 3) / 6
  template <class V>
  static V value(V u) {
    return u * Relu6::value(u + 3.f) * (1.f / 6.f);
  }
  template <class V>
  static V slope(V u) {
    const V inside = u < 3.f ? u * (1.f / 3.f) + 0.5f : spread<V>(1.f);
    return u > -3.f ? inside : V{};
  }
};

struct Sigmoid {
  template <class V>
  static V value(V u) {
    return sigmoid(u);
  }
  template <class V>
  static V slope(V u) {
    const V s = sigmoid(u);
    return s * (1.f - s);
  }
};

struct HardSigmoid {  // relu6(u + 3) / 6
  template <class V>
  static V value(V u) {
    return Relu6::value(u + 3.f) * (1.f / 6.f);
  }
  template <class V>
  static V slope(V u) {
    return Relu6::slope(u + 3.f) * (1.f / 6.f);
  }
};

// The order is that of ACTIVATIONS in src/tinynets/native/operators.py.
template <class F>
void with_activation(int activation, F &&f) {
  switch (activation) {
    case 1:
      return f(Silu{});
    case 2:
      return f(Relu{});
    case 3:
      return f(Relu6{});
    case 4:
      return f(HardSwish{});
    case 5:
      return f(Sigmoid{});
    default:
      return f(Identity{});
  }
}

}  // namespace tinynets
