// What an index costs and finds, by the number of donors: build time, memory, look-up time, and
// recall@10 of the structure for embeddings against comparing with every vector.
//
//   bench_index [--factory NAME] [--threads N] [--json FILE] [DONORS ...]
//
// Embeddings are clustered, 100 donors around each centre; prompts have 1,000 tokens, of which 600
// are the same in all donors. Look-ups run on one thread.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <fstream>
#include <string>
#include <string_view>

#include "index/vector_factory.h"
#include "kvs/fingerprint_index.h"
#include "kvs/json.h"
#include "kvs/vector_index.h"
#include "support/token_texts.h"

namespace {

using Clock = std::chrono::steady_clock;
using kvs::Json;
using kvs::test::Tokens;

constexpr int64_t kVocab = 49'152;
constexpr int kDims = 384;  // MiniLM's
constexpr int kQueries = 100;
constexpr int64_t kPerCluster = 100;
constexpr int64_t kCommon = 600, kOwn = 400;
constexpr float kSpread = 0.5f;        // of a cluster; its centre has length 1
constexpr float kQuerySpread = 0.25f;  // of a question around its donor
constexpr int64_t kAsked = 32;         // as DonorIndex asks for 8 donors

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

double resident_bytes() {
  int64_t total = 0, resident = 0;
  std::ifstream("/proc/self/statm") >> total >> resident;
  return static_cast<double>(resident * sysconf(_SC_PAGESIZE));
}

void scale_to(std::span<float> vector, float length) {
  double squares = 0;
  for (const float value : vector) squares += double{value} * value;
  for (float& value : vector) value *= length / static_cast<float>(std::sqrt(squares));
}

std::vector<float> direction(uint64_t seed, float length) {
  std::mt19937_64 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> vector(kDims);
  for (float& value : vector) value = normal(random);
  scale_to(vector, length);
  return vector;
}

std::vector<float> near_to(std::vector<float> centre, uint64_t seed, float spread) {
  const std::vector<float> noise = direction(seed, spread);
  for (int at = 0; at < kDims; ++at) centre[at] += noise[at];
  scale_to(centre, 1);
  return centre;
}

/// The donors of one size, made anew whenever they are asked for.
struct Corpus {
  explicit Corpus(int64_t count) : donors(count) {
    std::mt19937_64 random(7);
    common = kvs::test::random_tokens(random, kCommon, kVocab);
    for (int64_t centre = 0; centre < std::max<int64_t>(1, count / kPerCluster); ++centre)
      centres.push_back(direction(static_cast<uint64_t>(centre) << 32, 1));
  }

  std::vector<float> embedding(int64_t donor) const {
    return near_to(centres[donor % centres.size()], donor + 1, kSpread);
  }
  Tokens text(int64_t donor) const {
    std::mt19937_64 random(donor + 1);
    const Tokens own = kvs::test::random_tokens(random, kOwn, kVocab);
    return kvs::test::joined(
        {{own.begin(), own.begin() + 50}, common, {own.begin() + 50, own.end()}});
  }

  int64_t donors;
  Tokens common;
  std::vector<std::vector<float>> centres;
};

struct Query {
  int64_t donor = 0;
  std::vector<float> embedding;
  Tokens tokens;
  std::vector<std::pair<float, int64_t>> nearest;  // ten, by comparing with all; best first
};

std::vector<Query> make_queries(const Corpus& corpus) {
  std::mt19937_64 random(99);
  std::vector<Query> queries(kQueries);
  for (Query& query : queries) {
    query.donor = kvs::test::pick(random, corpus.donors);
    query.embedding = near_to(corpus.embedding(query.donor), random(), kQuerySpread);
    query.tokens = kvs::test::edited(random, corpus.text(query.donor), 0.05, kVocab);
  }
  return queries;
}

// Compares the queries with the vectors of one step.
void note_nearest(std::vector<Query>& queries, std::span<const float> vectors, int64_t first) {
  const auto flat = kvs::make_vector_index(kDims);
  flat->add(vectors);
  for (Query& query : queries) {
    for (const kvs::VectorMatch& match : flat->search(query.embedding, 10))
      query.nearest.emplace_back(-match.similarity, first + match.row);
    std::sort(query.nearest.begin(), query.nearest.end());
    if (query.nearest.size() > 10) query.nearest.resize(10);
  }
}

std::vector<float> embeddings(const Corpus& corpus, int64_t first, int64_t end, int64_t step = 1) {
  std::vector<float> vectors;
  for (int64_t donor = first; donor < end; donor += step) {
    const std::vector<float> one = corpus.embedding(donor);
    vectors.insert(vectors.end(), one.begin(), one.end());
  }
  return vectors;
}

struct Built {
  std::unique_ptr<kvs::VectorIndex> vectors;
  double vectors_s = 0, fingerprints_s = 0, vectors_bytes = 0, fingerprints_bytes = 0;
  kvs::FingerprintIndex fingerprints;
};

void build_vectors(Built& built, const Corpus& corpus, std::string_view setting, int threads,
                   std::vector<Query>& queries) {
  constexpr int64_t kStep = 10'000;
  const auto factory = kvs::choose_vector_factory(setting, corpus.donors, kDims);
  built.vectors = kvs::make_vector_index(kDims, factory.name());
  if (factory.training() > 0) {
    const int64_t every = std::max<int64_t>(1, corpus.donors / (2 * factory.training()));
    const auto sample = embeddings(corpus, 0, corpus.donors, every);
    const auto start = Clock::now();
    built.vectors->train(sample, threads);
    built.vectors_s += seconds_since(start);
  }
  for (int64_t first = 0; first < corpus.donors; first += kStep) {
    const auto step = embeddings(corpus, first, std::min(first + kStep, corpus.donors));
    note_nearest(queries, step, first);
    const double before = resident_bytes();
    const auto start = Clock::now();
    built.vectors->add(step, threads);
    built.vectors_s += seconds_since(start);
    built.vectors_bytes += resident_bytes() - before;
  }
}

void build_fingerprints(Built& built, const Corpus& corpus) {
  for (int64_t donor = 0; donor < corpus.donors; ++donor) {
    const Tokens text = corpus.text(donor);
    const auto start = Clock::now();
    built.fingerprints.add(static_cast<uint32_t>(donor), text);
    built.fingerprints_s += seconds_since(start);
  }
  built.fingerprints_bytes = static_cast<double>(built.fingerprints.stats().bytes);
}

struct Quantiles {
  explicit Quantiles(std::vector<double> values) {
    std::sort(values.begin(), values.end());
    median = values[values.size() / 2];
    p90 = values[values.size() * 9 / 10];
  }
  double median = 0, p90 = 0;
};

struct Found {
  std::vector<double> both_ms, vectors_ms;
  double recall = 0, by_fingerprints = 0;
};

Found look_up(const Built& built, const std::vector<Query>& queries) {
  Found found;
  for (const Query& query : queries) {
    auto start = Clock::now();
    const auto similar = built.vectors->search(query.embedding, kAsked);
    found.vectors_ms.push_back(seconds_since(start) * 1e3);
    const auto sharing = built.fingerprints.search(query.tokens, kAsked);
    found.both_ms.push_back(seconds_since(start) * 1e3);
    for (size_t at = 0; at < std::min<size_t>(10, similar.size()); ++at)
      found.recall += std::any_of(query.nearest.begin(), query.nearest.end(),
                                  [&](const auto& one) { return one.second == similar[at].row; }) /
                      (10.0 * kQueries);
    found.by_fingerprints +=
        (!sharing.empty() && sharing[0].donor == query.donor) / double{kQueries};
  }
  return found;
}

double rounded(double value) {
  return std::round(value * 1000) / 1000;
}

Json measure(int64_t donors, std::string_view setting, int threads) {
  const Corpus corpus(donors);
  std::vector<Query> queries = make_queries(corpus);
  Built built;
  build_vectors(built, corpus, setting, threads, queries);
  build_fingerprints(built, corpus);
  look_up(built, queries);  // warms the caches
  const Found found = look_up(built, queries);
  const Quantiles both(found.both_ms), vectors(found.vectors_ms);
  return Json::Object{
      {"donors", donors},
      {"structure", built.vectors->factory()},
      {"build_vectors_s", rounded(built.vectors_s)},
      {"build_fingerprints_s", rounded(built.fingerprints_s)},
      {"vectors_bytes_per_donor", std::round(built.vectors_bytes / double(donors))},
      {"fingerprints_bytes_per_donor", std::round(built.fingerprints_bytes / double(donors))},
      {"recall_at_10", rounded(found.recall)},
      {"first_by_fingerprints", rounded(found.by_fingerprints)},
      {"lookup_ms", Json::Object{{"median", rounded(both.median)}, {"p90", rounded(both.p90)}}},
      {"vectors_ms",
       Json::Object{{"median", rounded(vectors.median)}, {"p90", rounded(vectors.p90)}}}};
}

}  // namespace

int main(int argc, char** argv) {
  std::string setting = "auto", json;
  int threads = 1;
  std::vector<int64_t> sizes;
  for (int at = 1; at < argc; ++at) {
    const std::string_view word = argv[at];
    if (word == "--factory" && at + 1 < argc)
      setting = argv[++at];
    else if (word == "--threads" && at + 1 < argc)
      threads = std::stoi(argv[++at]);
    else if (word == "--json" && at + 1 < argc)
      json = argv[++at];
    else
      sizes.push_back(std::stoll(argv[at]));
  }
  if (sizes.empty()) sizes = {10'000, 100'000};
  std::ofstream out;
  if (!json.empty()) out.open(json, std::ios::app);
  for (const int64_t donors : sizes) {
    const std::string line = measure(donors, setting, threads).dump();
    fmt::print("{}\n", line);
    std::fflush(stdout);
    if (out.is_open()) out << line << std::endl;
  }
}
