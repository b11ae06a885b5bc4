#include "report.h"

#include <algorithm>
#include <cmath>
#include <cstdarg>
#include <cstdio>
#include <map>
#include <nlohmann/json.hpp>
#include <numeric>

#include "printable.h"

namespace tinynets {
namespace {

using nlohmann::ordered_json;

constexpr size_t SHOWN = 20;  // images named in the table

struct Stage {
  const char *name;
  double Times::*value;
};
constexpr Stage STAGES[] = {{"decode", &Times::decode},
                            {"preprocess", &Times::preprocess},
                            {"inference", &Times::inference},
                            {"total", &Times::total}};

struct Summary {
  double mean, p50, p90, p99;
};

double Percentile(const std::vector<double> &sorted, double share) {  // as in NumPy: linear between neighbours
  const double at = share * static_cast<double>(sorted.size() - 1);
  const size_t low = static_cast<size_t>(at), high = std::min(low + 1, sorted.size() - 1);
  return sorted[low] + (sorted[high] - sorted[low]) * (at - std::floor(at));
}

Summary Summarise(const std::vector<Times> &calls, double Times::*stage) {
  std::vector<double> values;
  for (const auto &call : calls) values.push_back(call.*stage);
  std::sort(values.begin(), values.end());
  const double mean = std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
  return {mean, Percentile(values, 0.5), Percentile(values, 0.9), Percentile(values, 0.99)};
}

// Classes by descending logit, equal ones in their order.
std::vector<int> Order(const std::vector<float> &logits) {
  std::vector<int> order(logits.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int a, int b) { return logits[a] > logits[b]; });
  return order;
}

std::vector<double> Softmax(const std::vector<float> &logits) {
  const double top = *std::max_element(logits.begin(), logits.end());
  std::vector<double> shares;
  for (const float logit : logits) shares.push_back(std::exp(logit - top));
  const double sum = std::accumulate(shares.begin(), shares.end(), 0.0);
  for (double &share : shares) share /= sum;
  return shares;
}

struct Accuracy {
  size_t labelled = 0, top1 = 0, top5 = 0;
  double Percent(size_t right) const { return 100.0 * static_cast<double>(right) / static_cast<double>(labelled); }
};

Accuracy Score(const std::vector<std::string> &images, const Labels &labels, const Outcome &outcome) {
  Accuracy score;
  for (size_t i = 0; i < images.size(); i++) {
    const int label = labels.Of(images[i]);
    if (label < 0 || outcome.results[i].logits.empty()) continue;
    const auto order = Order(outcome.results[i].logits);
    const size_t place = std::find(order.begin(), order.end(), label) - order.begin();
    score.labelled++;
    score.top1 += place < 1;
    score.top5 += place < 5;
  }
  return score;
}

size_t Failed(const Outcome &outcome) {
  return std::count_if(outcome.results.begin(), outcome.results.end(),
                       [](const Result &result) { return result.logits.empty(); });
}

// A number with a comma before every three digits.
std::string Grouped(size_t number) {
  std::string text = std::to_string(number);
  for (size_t at = text.size(); at > 3;) text.insert(at -= 3, ",");
  return text;
}

[[gnu::format(printf, 1, 2)]] std::string Format(const char *format, ...) {
  char text[256];
  va_list values;
  va_start(values, format);
  std::vsnprintf(text, sizeof text, format, values);
  va_end(values);
  return text;
}

}  // namespace

std::string Table(const Arguments &arguments, const Manifest &manifest, const std::vector<std::string> &images,
                  const Labels &labels, const Outcome &outcome) {
  std::string text;
  for (size_t i = 0; i < images.size() && images.size() <= SHOWN; i++) {
    const auto &logits = outcome.results[i].logits;
    if (logits.empty()) continue;
    const auto order = Order(logits);
    const auto shares = Softmax(logits);
    text += Printable(images[i]) + ":";
    for (int k = 0; k < arguments.topk; k++) {
      text += (k ? ", " : " ") + Printable(manifest.class_names[order[k]]) + Format(" %.1f %%", 100 * shares[order[k]]);
    }
    text += "\n";
  }
  const size_t failed = Failed(outcome);
  text += Printable(manifest.network);
  text += Format(" at %d px, %zu classes, on %s: %zu images, %zu skipped\n", manifest.resolution,
                 manifest.class_names.size(), arguments.device.c_str(), images.size() - failed, failed);
  if (outcome.calls.empty()) return text;
  text += Format("\nms per call (batch %d)   mean      p50      p90      p99\n", arguments.batch);
  for (const auto &stage : STAGES) {
    const Summary s = Summarise(outcome.calls, stage.value);
    text += Format("%-19s %9.3f%9.3f%9.3f%9.3f\n", stage.name, s.mean, s.p50, s.p90, s.p99);
  }
  text +=
      Format("\n%.1f images/s by %d workers of %d threads, %zu calls after %d of warm-up each\n",
             outcome.ImagesPerSecond(), arguments.workers, arguments.threads, outcome.calls.size(), arguments.warmup);
  if (!labels.empty()) {
    const Accuracy score = Score(images, labels, outcome);
    text += score.labelled ? Format("top-1 %.2f %%, top-5 %.2f %% of %zu labelled images\n", score.Percent(score.top1),
                                    score.Percent(score.top5), score.labelled)
                           : "no image has a label\n";
  }
  return text;
}

std::string Json(const Arguments &arguments, const Manifest &manifest, const std::vector<std::string> &images,
                 const Labels &labels, const Outcome &outcome) {
  ordered_json all = {{"model", arguments.model},      {"manifest", arguments.manifest}, {"network", manifest.network},
                      {"device", arguments.device},    {"workers", arguments.workers},   {"threads", arguments.threads},
                      {"batch", arguments.batch},      {"repeat", arguments.repeat},     {"warmup", arguments.warmup},
                      {"calls", outcome.calls.size()}, {"images", images.size()},        {"skipped", Failed(outcome)}};
  all["kernels"] = outcome.kernels;
  all["own_kernels"] = outcome.own_kernels;
  if (!outcome.calls.empty()) {
    for (const auto &stage : STAGES) {
      const Summary s = Summarise(outcome.calls, stage.value);
      all["ms_a_call"][stage.name] = {{"mean", s.mean}, {"p50", s.p50}, {"p90", s.p90}, {"p99", s.p99}};
      for (size_t i = 0; arguments.calls && i < outcome.calls.size(); i++) {
        all["ms_a_call"][stage.name]["each"].push_back(outcome.calls[i].*stage.value);
      }
    }
    all["seconds"] = outcome.seconds;
    all["images_per_s"] = outcome.ImagesPerSecond();
  }
  const Accuracy score = Score(images, labels, outcome);
  if (score.labelled) {
    all["accuracy"] = {
        {"labelled", score.labelled}, {"top1", score.Percent(score.top1)}, {"top5", score.Percent(score.top5)}};
  }
  all["results"] = ordered_json::array();
  for (size_t i = 0; i < images.size(); i++) {
    const auto &[logits, failure, highest] = outcome.results[i];
    ordered_json row = {{"image", images[i]}};
    if (logits.empty()) {
      row["failure"] = failure;
    } else {
      const auto order = Order(logits);
      const auto shares = Softmax(logits);
      for (int k = 0; k < arguments.topk; k++) {
        row["classes"].push_back({{"name", manifest.class_names[order[k]]}, {"probability", shares[order[k]]}});
      }
      if (arguments.logits) row["logits"] = logits;
    }
    all["results"].push_back(std::move(row));
  }
  return all.dump(1, ' ', false, ordered_json::error_handler_t::replace) + "\n";  // a path may not be UTF-8
}

std::string DarkImages(const std::vector<std::string> &images, const Outcome &outcome) {
  constexpr int DARK = 15, NARROW = 63;  // upper eight bits of a 16-bit sample that has 12, 14 bits at most
  std::map<std::string, int> wide;
  int top = -1;
  for (size_t i = 0; i < images.size(); i++) {
    if (outcome.results[i].highest < 0) continue;
    wide[images[i]] = outcome.results[i].highest;
    top = std::max(top, outcome.results[i].highest);
  }
  size_t dark = 0;
  int highest = 0;
  std::string first;
  for (const auto &[image, value] : wide) {
    if (value > (top <= NARROW ? NARROW : DARK)) continue;
    if (dark++ == 0) first = image;
    highest = std::max(highest, value);
  }
  if (dark == 0) return "";
  int bits = 0;
  while (highest >> bits) bits++;
  return Grouped(dark) + " of " + Grouped(wide.size()) + " images with 16-bit samples have none above " +
         Grouped((size_t{256} << bits) - 1) + " (" + std::to_string(8 + bits) + " bits) and stay dark, in " +
         std::to_string(1 << bits) + " of 256 grey levels: scale their samples to 16 bits, or to 8; the first is " +
         first;
}

}  // namespace tinynets
