#include "index/faiss_hnsw.h"

#include "index/faiss_flat.h"

namespace kvs {
namespace {

// Candidates looked at while building and searching; tests/bench/bench_index.cpp shows the recall.
constexpr int kBuildWidth = 80;
constexpr int kSearchWidth = 128;

}  // namespace

FaissHnsw::FaissHnsw(int dims, const VectorFactory& factory)
    : factory_(factory), index_(dims, factory.links, faiss::METRIC_INNER_PRODUCT) {
  index_.hnsw.efConstruction = kBuildWidth;
  index_.hnsw.efSearch = kSearchWidth;
}

// FAISS's graph cannot forget a vector: it is built again.
void FaissHnsw::keep(std::span<const int64_t> rows, int threads) {
  const std::vector<float> vectors = gather(storage(), rows);
  index_.reset();
  add(vectors, threads);
}

void FaissHnsw::write_body(ByteWriter& out) const {
  const faiss::HNSW& graph = index_.hnsw;
  write_vectors(storage(), out);
  out.add_array(std::span<const int>(graph.levels));
  out.add_array(std::span<const faiss::HNSW::storage_idx_t>(graph.neighbors));
  out.add(int32_t{graph.entry_point});
}

void FaissHnsw::read_body(ByteReader& in) {
  translated([&] { read_vectors(in, storage()); });
  index_.ntotal = storage().ntotal;
  read_graph(in);
}

// Searching trusts the graph: every link must lead to a vector that is on the link's level.
void FaissHnsw::read_graph(ByteReader& in) {
  faiss::HNSW& graph = index_.hnsw;
  graph.levels = in.get_array<int>();
  graph.neighbors = in.get_array<faiss::HNSW::storage_idx_t>();
  graph.entry_point = in.get<int32_t>();
  const auto rows = static_cast<size_t>(index_.ntotal);
  const auto levels = static_cast<int>(graph.cum_nneighbor_per_level.size()) - 1;
  if (graph.levels.size() != rows) in.damaged("vectors without a level");
  graph.offsets.assign(1, 0);
  graph.max_level = -1;
  for (const int level : graph.levels) {
    if (level < 1 || level > levels) in.damaged("an impossible level");
    graph.offsets.push_back(graph.offsets.back() + graph.cum_nb_neighbors(level));
    graph.max_level = std::max(graph.max_level, level - 1);
  }
  if (graph.offsets.back() != graph.neighbors.size()) in.damaged("a graph of another size");
  for (size_t row = 0; row < rows; ++row) check_links(in, row);
  const int entry = graph.entry_point;
  if (rows == 0 ? entry != -1
                : entry < 0 || entry >= index_.ntotal || graph.levels[entry] <= graph.max_level)
    in.damaged("an impossible entry point");
}

void FaissHnsw::check_links(const ByteReader& in, size_t row) const {
  const faiss::HNSW& graph = index_.hnsw;
  for (int level = 0; level < graph.levels[row]; ++level) {
    const size_t first = graph.offsets[row] + graph.cum_nb_neighbors(level);
    const size_t end = graph.offsets[row] + graph.cum_nb_neighbors(level + 1);
    for (size_t at = first; at < end; ++at) {
      const int64_t to = graph.neighbors[at];
      if (to < -1 || to >= index_.ntotal || (to >= 0 && graph.levels[to] <= level))
        in.damaged("a link to nowhere");
    }
  }
}

}  // namespace kvs
