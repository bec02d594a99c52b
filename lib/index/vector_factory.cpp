#include "index/vector_factory.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>

#include "kvs/error.h"

namespace kvs {
namespace {

using Kind = VectorFactory::Kind;

constexpr int64_t kHnswAbove = 10'000;
constexpr int64_t kIvfFrom = 1'000'000;
constexpr int kLinks = 32;
constexpr int kMaxLinks = 256;
constexpr int kMaxLists = 1 << 20;
constexpr int kCodebook = 256;        // centroids of a code of one byte
constexpr int64_t kPerCentroid = 39;  // vectors for training; what FAISS asks for
constexpr int kDimsPerCode = 4;       // of a code of one byte

// Takes "PREFIX<number>" off the text. Nothing where it starts otherwise or is out of bounds.
std::optional<int> take_number(std::string_view& text, std::string_view prefix, int most) {
  if (text.substr(0, prefix.size()) != prefix) return {};
  const std::string_view digits = text.substr(prefix.size());
  int value = 0;
  const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (parsed.ec != std::errc() || value < 1 || value > most) return {};
  text = digits.substr(parsed.ptr - digits.data());
  return value;
}

std::optional<VectorFactory> find_factory(std::string_view text) {
  if (text == "Flat") return VectorFactory{};
  if (const auto links = take_number(text, "HNSW", kMaxLinks)) {
    if (*links < 2 || !(text.empty() || text == ",Flat")) return {};
    return VectorFactory{.kind = Kind::hnsw, .links = *links};
  }
  const auto lists = take_number(text, "IVF", kMaxLists);
  if (!lists) return {};
  if (text == ",Flat") return VectorFactory{.kind = Kind::ivf_flat, .lists = *lists};
  const auto bytes = take_number(text, ",PQ", 65'536);
  if (!bytes || !(text.empty() || text == "x8")) return {};
  return VectorFactory{.kind = Kind::ivf_pq, .lists = *lists, .code_bytes = *bytes};
}

// A power of two from 1 to 2 times the square root.
int lists_for(int64_t rows) {
  int64_t lists = 1;
  while (lists * lists < rows) lists *= 2;
  return static_cast<int>(std::min<int64_t>(2 * lists, kMaxLists));
}

int code_bytes_for(int dims) {
  int bytes = std::max(1, dims / kDimsPerCode);
  while (dims % bytes != 0) --bytes;
  return bytes;
}

VectorFactory automatic(int64_t rows, int dims) {
  if (rows <= kHnswAbove) return {};
  if (rows < kIvfFrom) return {.kind = Kind::hnsw, .links = kLinks};
  return {.kind = Kind::ivf_pq, .lists = lists_for(rows), .code_bytes = code_bytes_for(dims)};
}

}  // namespace

std::string VectorFactory::name() const {
  switch (kind) {
    case Kind::flat:
      return "Flat";
    case Kind::hnsw:
      return fmt::format("HNSW{}", links);
    case Kind::ivf_flat:
      return fmt::format("IVF{},Flat", lists);
    case Kind::ivf_pq:
      break;
  }
  return fmt::format("IVF{},PQ{}", lists, code_bytes);
}

int64_t VectorFactory::training() const {
  if (kind < Kind::ivf_flat) return 0;
  return kPerCentroid * std::max(lists, kind == Kind::ivf_pq ? kCodebook : 0);
}

VectorFactory parse_vector_factory(std::string_view text, int dims) {
  const auto factory = find_factory(text);
  if (!factory)
    fail(ErrorKind::argument,
         "vector index: unknown factory '{}', expected Flat, HNSW32, IVF1024,Flat or IVF1024,PQ96 "
         "(or other numbers)",
         text);
  if (factory->kind == Kind::ivf_pq && dims % factory->code_bytes != 0)
    fail(ErrorKind::argument, "vector index: factory '{}': {} dimensions do not divide by {}", text,
         dims, factory->code_bytes);
  return *factory;
}

VectorFactory choose_vector_factory(std::string_view setting, int64_t rows, int dims) {
  if (setting == kAutomaticFactory) return automatic(rows, dims);
  const VectorFactory factory = parse_vector_factory(setting, dims);
  return rows < factory.training() ? VectorFactory{} : factory;
}

}  // namespace kvs
