#include "index/scope_vectors.h"

#include <algorithm>
#include <utility>

#include "index/vector_factory.h"

namespace kvs {
namespace {

constexpr size_t kSpareRows = 16;    // that may belong to nobody, and
constexpr size_t kLivePerSpare = 8;  // one more for so many that do not
constexpr size_t kRowsPerStep = 2048;

size_t living(std::span<const uint32_t> rows) {
  return rows.size() - static_cast<size_t>(std::count(rows.begin(), rows.end(), kNoDonor));
}

struct Plan {
  VectorFactory factory;
  bool rebuild = false;  // as `factory`
  bool shrink = false;   // drop rows that belong to nobody
};

// A structure grows with its vectors; only a demand makes it go back, for IVF loses what it drops.
bool replaces(std::string_view setting, const VectorFactory& wanted, const VectorFactory& present) {
  if (setting == kAutomaticFactory) return wanted.kind > present.kind;
  return wanted.name() != present.name() && present.name() != parse_vector_factory(setting).name();
}

Plan plan_for(const IndexData& data, const Scope& scope, const NewVectors& added) {
  const size_t live = living(scope.vector_rows);
  const size_t all = live + living(added.donors);
  Plan plan{choose_vector_factory(data.factory, static_cast<int64_t>(all), data.model.dims)};
  plan.rebuild = scope.factory.empty() ||
                 replaces(data.factory, plan.factory, parse_vector_factory(scope.factory));
  const size_t spare = scope.vector_rows.size() - live;
  plan.shrink = spare > 0 && (live == 0 || spare > kSpareRows + live / kLivePerSpare);
  return plan;
}

// Moves what lives to the front and returns where it was.
std::vector<int64_t> drop_spare(std::vector<uint32_t>& donors) {
  std::vector<int64_t> rows;
  for (size_t row = 0; row < donors.size(); ++row) {
    if (donors[row] == kNoDonor) continue;
    donors[rows.size()] = donors[row];
    rows.push_back(static_cast<int64_t>(row));
  }
  donors.resize(rows.size());
  return rows;
}

void drop_spare(NewVectors& added, size_t dims) {
  const std::vector<int64_t> rows = drop_spare(added.donors);
  for (size_t at = 0; at < rows.size(); ++at)
    std::copy_n(added.values.begin() + static_cast<ptrdiff_t>(rows[at] * dims), dims,
                added.values.begin() + static_cast<ptrdiff_t>(at * dims));
  added.values.resize(rows.size() * dims);
}

// All vectors of the index, then those that are new.
NewVectors with_old(const VectorIndex* index, std::vector<uint32_t> rows, NewVectors added) {
  if (!index) return added;
  NewVectors all;
  for (const int64_t row : drop_spare(rows)) {
    const std::vector<float> vector = index->row(row);
    all.values.insert(all.values.end(), vector.begin(), vector.end());
  }
  all.donors = std::move(rows);
  all.values.insert(all.values.end(), added.values.begin(), added.values.end());
  all.donors.insert(all.donors.end(), added.donors.begin(), added.donors.end());
  return all;
}

void add_in_steps(VectorIndex& index, std::span<const float> values, const VectorUpdate& options) {
  const size_t step = kRowsPerStep * index.dims();
  for (; !values.empty(); values = values.subspan(std::min(step, values.size()))) {
    if (options.on_step) options.on_step();
    index.add(values.first(std::min(step, values.size())), options.threads);
  }
}

}  // namespace

bool vectors_change(const IndexData& data, const Scope& scope, const NewVectors& added) {
  const size_t fresh = living(added.donors);
  if (fresh == 0 && scope.vector_rows.empty()) return false;
  const Plan plan = plan_for(data, scope, added);
  return fresh > 0 || plan.rebuild || plan.shrink;
}

void update_vectors(const IndexData& data, Scope& scope, NewVectors added,
                    std::unique_ptr<VectorIndex>& index, const VectorUpdate& options) {
  const int dims = data.model.dims;
  const Plan plan = plan_for(data, scope, added);
  drop_spare(added, dims);
  if (plan.rebuild || !index) {
    added = with_old(index.get(), std::exchange(scope.vector_rows, {}), std::move(added));
    index = make_vector_index(dims, plan.factory.name());
    index->train(added.values, options.threads);
  } else if (plan.shrink) {
    index->keep(drop_spare(scope.vector_rows), options.threads);
  }
  add_in_steps(*index, added.values, options);
  scope.vector_rows.insert(scope.vector_rows.end(), added.donors.begin(), added.donors.end());
  scope.factory = index->factory();
  if (scope.vector_rows.empty()) {
    index.reset();
    scope.factory.clear();
  }
}

}  // namespace kvs
