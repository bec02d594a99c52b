// What finding donors in memory costs, by their number: look-up and planning time, the time to add
// one, and bytes in the indexes.
//
//   bench_donor_store [--model MODEL] [--json FILE] [DONORS ...]
//
// Donors have 1,000 tokens, of which 600 are the same in all, and embeddings of 576 dimensions,
// clustered, 100 donors around each centre. All share the rows of one view, since rows are not what
// is measured. With --model the time of its static embedder is measured too. One thread.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <fstream>
#include <string>
#include <string_view>

#include "kvs/donor_store.h"
#include "kvs/embedder.h"
#include "kvs/json.h"
#include "kvs/model_files.h"
#include "support/token_texts.h"

namespace {

using Clock = std::chrono::steady_clock;
using kvs::Json;
using kvs::test::Tokens;

constexpr int64_t kVocab = 49'152;
constexpr int kDims = 576;  // SmolLM2's
constexpr int kQueries = 60;
constexpr int64_t kPerCluster = 100;
constexpr int64_t kCommon = 600, kOwn = 400;
constexpr float kSpread = 0.5F;  // of a cluster, whose centre has length 1

double ms_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

Json quantiles(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const auto at = [&](double share) {
    const double value =
        values[static_cast<size_t>(share * static_cast<double>(values.size() - 1))];
    return std::round(value * 1000) / 1000;
  };
  Json json;
  json.set("median", at(0.5));
  json.set("p90", at(0.9));
  json.set("max", values.empty() ? 0.0 : at(1));
  return json;
}

std::vector<float> direction(uint64_t seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> vector(kDims);
  for (float& value : vector) value = normal(random) / std::sqrt(static_cast<float>(kDims));
  return vector;
}

// Near a centre that the text's first token chooses.
std::vector<float> embedding_of(std::span<const int32_t> tokens, int64_t centres) {
  std::vector<float> vector = direction(static_cast<uint64_t>(tokens[0] % centres));
  const std::vector<float> own =
      direction((static_cast<uint64_t>(tokens[1]) << 32) + static_cast<uint64_t>(tokens[2]));
  float squares = 0;
  for (int at = 0; at < kDims; ++at) {
    vector[at] += kSpread * own[at];
    squares += vector[at] * vector[at];
  }
  for (float& value : vector) value /= std::sqrt(squares);
  return vector;
}

class Bench {
 public:
  explicit Bench(int64_t donors) : donors_(donors), pool_(*backend_, layout_, 64) {
    std::mt19937_64 random(7);
    common_ = kvs::test::random_tokens(random, kCommon, kVocab);
    rows_.append_fresh(pool_, kCommon + kOwn, true);
    const int64_t centres = std::max<int64_t>(1, donors / kPerCluster);
    store_.embed_with([centres](auto tokens) { return embedding_of(tokens, centres); });
  }

  Json run() {
    std::vector<double> added;
    for (int64_t donor = 0; donor < donors_; ++donor) {
      Tokens tokens = text(donor);
      const auto start = Clock::now();
      store_.add(std::to_string(donor), "", std::move(tokens), rows_);
      added.push_back(ms_since(start));
    }
    Json json;
    json.set("donors", store_.size());
    json.set("bytes_per_donor", store_.index_bytes() / donors_);
    // What adding costs at this size, not on the way to it.
    const auto last = std::min<int64_t>(1000, donors_);
    json.set("add_ms", quantiles({added.end() - last, added.end()}));
    json.set("largest_add_ms", *std::max_element(added.begin(), added.end()));
    for (const int64_t tokens : {2048, 8192}) {
      json.set(fmt::format("similar_{}", tokens), measure(tokens, true));
      json.set(fmt::format("unrelated_{}", tokens), measure(tokens, false));
    }
    return json;
  }

 private:
  Tokens text(int64_t donor) const {
    std::mt19937_64 random(donor + 1);
    const Tokens own = kvs::test::random_tokens(random, kOwn, kVocab);
    return kvs::test::joined(
        {{own.begin(), own.begin() + 50}, common_, {own.begin() + 50, own.end()}});
  }

  // Other donors' texts one behind another, a twentieth of the tokens edited; or noise.
  Tokens prompt(std::mt19937_64& random, int64_t tokens, bool similar) const {
    if (!similar) return kvs::test::random_tokens(random, tokens, kVocab);
    Tokens prompt;
    while (std::ssize(prompt) < tokens) {
      const Tokens donor = text(kvs::test::pick(random, donors_));
      const Tokens edited = kvs::test::edited(random, donor, 0.05, kVocab);
      prompt.insert(prompt.end(), edited.begin(), edited.end());
    }
    prompt.resize(tokens);
    return prompt;
  }

  Json measure(int64_t tokens, bool similar) {
    std::mt19937_64 random(99);
    std::vector<double> lookup, plan, both;
    int64_t kept = 0;
    for (int query = 0; query < kQueries; ++query) {
      const Tokens asked = prompt(random, tokens, similar);
      auto start = Clock::now();
      const std::vector<kvs::ReuseDonor> found = store_.find({.tokens = asked});
      lookup.push_back(ms_since(start));
      start = Clock::now();
      const kvs::ReusePlan made = kvs::plan_reuse(asked, found, {});
      plan.push_back(ms_since(start));
      both.push_back(lookup.back() + plan.back());
      kept += made.count(kvs::PlanSpan::Kind::exact) + made.count(kvs::PlanSpan::Kind::shifted);
    }
    Json json;
    json.set("lookup_ms", quantiles(lookup));
    json.set("plan_ms", quantiles(plan));
    json.set("both_ms", quantiles(both));
    json.set("kept", static_cast<double>(kept) / static_cast<double>(kQueries * tokens));
    return json;
  }

  int64_t donors_;
  std::unique_ptr<kvs::Backend> backend_ = kvs::make_backend({.device = "cpu", .threads = 1});
  kvs::KvLayout layout_{.layers = 1, .kv_heads = 1, .head_dim = 8};
  kvs::KvPool pool_;
  kvs::KvView rows_;
  Tokens common_;
  kvs::DonorStore store_{pool_};
};

Json embedder_times(const std::string& model) {
  const auto files = kvs::open_model_files(model);
  const kvs::StaticEmbedder embedder(*files);
  std::mt19937_64 random(3);
  Json json;
  for (const int64_t tokens : {2048, 8192}) {
    std::vector<double> times;
    for (int repeat = 0; repeat < 9; ++repeat) {
      const Tokens text = kvs::test::random_tokens(random, tokens, kVocab);
      const auto start = Clock::now();
      embedder.embed(text);
      times.push_back(ms_since(start));
    }
    json.set(std::to_string(tokens), quantiles(times));
  }
  return json;
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<int64_t> sizes;
  std::string model, out;
  for (int at = 1; at < argc; ++at) {
    const std::string_view word = argv[at];
    if (word == "--model" && at + 1 < argc)
      model = argv[++at];
    else if (word == "--json" && at + 1 < argc)
      out = argv[++at];
    else
      sizes.push_back(std::stoll(argv[at]));
  }
  if (sizes.empty()) sizes = {1'000, 10'000, 100'000};

  Json report;
  if (!model.empty()) report.set("static_embedder_ms", embedder_times(model));
  Json rows{Json::Array{}};
  for (const int64_t donors : sizes) {
    rows.push(Bench(donors).run());
    fmt::print("{}\n", rows.as_array().back().dump());
  }
  report.set("sizes", std::move(rows));
  if (!out.empty()) std::ofstream(out) << report.dump(1) << "\n";
  return 0;
}
