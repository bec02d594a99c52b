#include "index/faiss_ivf.h"

#include <faiss/IndexIVFFlat.h>
#include <faiss/IndexIVFPQ.h>

#include "index/faiss_flat.h"

namespace kvs {
namespace {

constexpr int kProbedShare = 32;  // of the lists, one in so many is searched
constexpr int kLeastProbed = 8;
// More teach the centroids little and take minutes.
constexpr int kTrainingPerList = 64;
constexpr int kTrainingPerCode = 64;
constexpr int kCodeRounds = 10;

std::unique_ptr<faiss::IndexHNSWFlat> new_graph(int dims) {
  auto graph = std::make_unique<faiss::IndexHNSWFlat>(dims, 16, faiss::METRIC_INNER_PRODUCT);
  graph->hnsw.efSearch = 32;
  return graph;
}

std::unique_ptr<faiss::IndexIVF> new_ivf(faiss::Index* centroids, int dims,
                                         const VectorFactory& factory) {
  constexpr auto kMetric = faiss::METRIC_INNER_PRODUCT;
  if (factory.kind == VectorFactory::Kind::ivf_flat)
    return std::make_unique<faiss::IndexIVFFlat>(centroids, dims, factory.lists, kMetric);
  auto index = std::make_unique<faiss::IndexIVFPQ>(centroids, dims, factory.lists,
                                                   factory.code_bytes, 8, kMetric);
  index->pq.cp.max_points_per_centroid = kTrainingPerCode;
  index->pq.cp.niter = kCodeRounds;
  return index;
}

}  // namespace

FaissIvf::FaissIvf(int dims, const VectorFactory& factory)
    : factory_(factory), centroids_(dims), index_(new_ivf(&centroids_, dims, factory)) {
  index_->nprobe = std::min(factory.lists, std::max(kLeastProbed, factory.lists / kProbedShare));
  index_->cp.max_points_per_centroid = kTrainingPerList;
  index_->cp.spherical = true;  // centroids of length 1, so that none attracts by its length
}

std::vector<float>* FaissIvf::codebook() const {
  auto* quantised = dynamic_cast<faiss::IndexIVFPQ*>(index_.get());
  return quantised ? &quantised->pq.centroids : nullptr;
}

void FaissIvf::train(std::span<const float> vectors, int threads) {
  graph_ = new_graph(dims());
  index_->clustering_index = graph_.get();
  FaissSearch::train(vectors, threads);
  index_->clustering_index = nullptr;
  if (index_->direct_map.no() && index_->is_trained) map_rows();
}

faiss::IndexHNSWFlat& FaissIvf::graph() {
  if (!graph_) graph_ = new_graph(dims());
  if (graph_->ntotal != centroids_.ntotal) {
    graph_->reset();
    graph_->add(centroids_.ntotal, centroids_.get_xb());
  }
  return *graph_;
}

// Comparing each of many vectors with all centroids would take most of the time of a build.
void FaissIvf::add(std::span<const float> vectors, int threads) {
  const int64_t rows = rows_of(vectors);
  if (!index_->is_trained || rows < factory_.lists) return FaissSearch::add(vectors, threads);
  const ThreadLimit only(threads);
  translated([&] {
    std::vector<faiss::Index::idx_t> lists(rows);
    graph().assign(rows, vectors.data(), lists.data());
    index_->add_core(rows, vectors.data(), nullptr, lists.data());
  });
}

void FaissIvf::map_rows() {
  translated([&] {
    index_->set_direct_map_type(faiss::DirectMap::NoMap);
    index_->set_direct_map_type(faiss::DirectMap::Array);
  });
}

void FaissIvf::keep(std::span<const int64_t> rows, int /*threads*/) {
  std::vector<int64_t> numbers(index_->ntotal, -1);
  for (size_t at = 0; at < rows.size(); ++at) numbers[rows[at]] = static_cast<int64_t>(at);
  faiss::InvertedLists& lists = *index_->invlists;
  for (size_t list = 0; list < lists.nlist; ++list) {
    std::vector<faiss::Index::idx_t> ids;
    std::vector<uint8_t> codes;
    for (size_t at = 0; at < lists.list_size(list); ++at) {
      const int64_t number = numbers[lists.get_ids(list)[at]];
      if (number < 0) continue;
      const uint8_t* code = lists.get_codes(list) + at * lists.code_size;
      ids.push_back(number);
      codes.insert(codes.end(), code, code + lists.code_size);
    }
    lists.resize(list, 0);
    lists.add_entries(list, ids.size(), ids.data(), codes.data());
  }
  index_->ntotal = static_cast<int64_t>(rows.size());
  map_rows();
}

void FaissIvf::write_body(ByteWriter& out) const {
  write_vectors(centroids_, out);
  if (const auto* codes = codebook()) out.add_array(std::span<const float>(*codes));
  const faiss::InvertedLists& lists = *index_->invlists;
  out.add(int64_t{index_->ntotal});
  for (size_t list = 0; list < lists.nlist; ++list) {
    out.add_array(std::span(lists.get_ids(list), lists.list_size(list)));
    out.add_array(std::span(lists.get_codes(list), lists.list_size(list) * lists.code_size));
  }
}

void FaissIvf::read_body(ByteReader& in) {
  translated([&] { read_vectors(in, centroids_); });
  const bool trained = centroids_.ntotal > 0;
  if (trained && centroids_.ntotal != factory_.lists) in.damaged("centroids are missing");
  if (auto* codes = codebook()) {
    const size_t expected = codes->size();
    *codes = in.get_array<float>();
    if (codes->size() != expected) in.damaged("a codebook of another size");
  }
  index_->is_trained = trained;
  read_lists(in);
  if (trained) map_rows();
}

// Every row occurs in one list, once.
void FaissIvf::read_lists(ByteReader& in) {
  const auto rows = in.get<int64_t>();
  if (rows < 0 || static_cast<size_t>(rows) > in.left() / sizeof(int64_t))
    in.damaged("more vectors than the file holds");
  std::vector<bool> seen(rows);
  int64_t found = 0;
  for (size_t list = 0; list < index_->nlist; ++list) {
    const auto ids = in.get_array<faiss::Index::idx_t>();
    const auto codes = in.get_array<uint8_t>();
    if (codes.size() != ids.size() * index_->code_size) in.damaged("a list of another size");
    for (const int64_t id : ids) {
      if (id < 0 || id >= rows || seen[id]) in.damaged("a list names a wrong vector");
      seen[id] = true;
    }
    found += static_cast<int64_t>(ids.size());
    index_->invlists->add_entries(list, ids.size(), ids.data(), codes.data());
  }
  if (found != rows) in.damaged("vectors are missing");
  if (rows > 0 && !index_->is_trained) in.damaged("vectors without centroids");
  index_->ntotal = rows;
}

}  // namespace kvs
