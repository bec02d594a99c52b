#include <gtest/gtest.h>

#include "engine/record_rows.h"
#include "support/emulated_cuda/capture.h"
#include "support/emulated_cuda/faults.h"
#include "support/errors.h"
#include "support/tiny_model.h"

// Rows that are loaded beside what is computed, on a device that copies as late as it may; in half
// of the tests it computes as late, too.
namespace kvs::test {
namespace {

using emulated::faults;

class CudaLoads : public testing::TestWithParam<std::tuple<DType, bool>> {
 protected:
  ~CudaLoads() override { emulated::heal(); }

  static std::vector<int32_t> text(int count) {
    std::vector<int32_t> tokens;
    for (int i = 0; i < count; ++i) tokens.push_back((i * (i + count) + 7) % 512);
    return tokens;
  }

  /// In one pass, which is no step.
  KvView computed(const std::vector<int32_t>& tokens) {
    const auto count = static_cast<int32_t>(tokens.size());
    KvView view;
    view.append_fresh(pool, count, true);
    Batch batch{.tokens = tokens, .logits_rows = {count - 1}};
    for (int32_t at = 0; at < count; ++at) {
      const KvView::Slot slot = view.slot(at);
      batch.layout.rows.push_back({.position = at, .block = slot.block, .slot = slot.row});
    }
    batch.layout.sequences.push_back(view.runs(count));
    std::vector<float> logits;
    model.transformer.forward(batch, type(), logits, kWatch);
    return view;
  }

  /// Of all rows but the last one.
  KvRecord record(const std::vector<int32_t>& tokens) {
    KvRecord record{.tokens = {tokens.begin(), tokens.end() - 1}};
    copy_rows(record, pool, computed(tokens));
    return record;
  }

  /// The same on the heap.
  KvRecord on_the_heap(const KvRecord& record) const {
    KvRecord copy{.tokens = record.tokens,
                  .storage = std::make_shared<std::byte[]>(bytes_of(record))};
    std::byte* to = copy.storage.get();
    copy.layers = layers_of(pool.layout(), std::ssize(record.tokens), to);
    for (const KvLayer& layer : record.layers)
      for (const auto& part : {layer.k, layer.v, layer.k_scales, layer.v_scales})
        to = std::ranges::copy(part, to).out;
    return copy;
  }

  KvView loaded(const KvRecord& record) {
    KvView view;
    append_rows(view, pool, record);
    return view;
  }

  /// The logits of the last token, over the rows of a view in front of it.
  std::vector<float> last_logits(KvView view, const std::vector<int32_t>& tokens, bool as_step) {
    view.append_fresh(pool, 1, true);
    const int64_t last = std::ssize(tokens) - 1;
    const KvView::Slot slot = view.slot(last);
    Batch batch{.tokens = {tokens.back()}, .logits_rows = {0}};
    batch.layout.rows.push_back(
        {.position = static_cast<int32_t>(last), .block = slot.block, .slot = slot.row});
    batch.layout.sequences.push_back(view.runs(last + 1));
    std::vector<float> logits;
    if (as_step)
      model.transformer.forward(batch, type(), logits);
    else
      model.transformer.forward(batch, type(), logits, kWatch);
    return logits;
  }

  static DType type() { return std::get<0>(GetParam()); }

  // What is watched is no step.
  static constexpr auto kWatch = [](int, int64_t, const Tensor&, const BatchPlan&) {};
  bool all_late = emulated::faults.all_late = std::get<1>(GetParam());
  TinyModel model{data_path("stories260K.gguf"), Compute::f32, {.device = "cuda"}};
  KvPool pool{*model.backend, model.transformer.kv_layout(type()), 64};
};
INSTANTIATE_TEST_SUITE_P(Of, CudaLoads,
                         testing::Combine(testing::Values(DType::f16, DType::q8), testing::Bool()),
                         [](const auto& parameter) {
                           return std::string(dtype_name(std::get<0>(parameter.param))) +
                                  (std::get<1>(parameter.param) ? "_late" : "");
                         });

TEST_P(CudaLoads, AreAwaitedByWhatReadsThem) {
  const std::vector<int32_t> tokens = text(150);
  const KvRecord record = this->record(tokens);
  KvView view = computed({tokens.begin(), tokens.end() - 1});
  const std::vector<float> want = last_logits(view, tokens, false);

  EXPECT_EQ(last_logits(loaded(record), tokens, false), want);
  for (int turn = 0; turn < 4; ++turn)  // the third one is a replay
    EXPECT_EQ(last_logits(loaded(record), tokens, true), want) << turn;
}

TEST_P(CudaLoads, LeaveNothingOnItsWayWhereTheyLackMemory) {
  const std::vector<int32_t> tokens = text(150);
  const KvRecord record = this->record(tokens);
  const std::vector<float> want = last_logits(loaded(record), tokens, false);
  faults.launches_loaded = 2;  // layers
  KvView view;

  const Error e = error_of([&] { append_rows(view, pool, record); });

  EXPECT_EQ(e.kind(), ErrorKind::memory);
  model.backend->synchronize();  // what is computed, that is
  EXPECT_EQ(emulated::waiting(), 0);
  EXPECT_EQ(last_logits(loaded(record), tokens, false), want);
}

TEST_P(CudaLoads, HoldUpNothingElse) {
  constexpr int64_t kPieces = 2;  // of each layer: a copy and its rows' places
  const std::vector<int32_t> tokens = text(150), other = text(70);
  const KvRecord record = this->record(tokens);
  const KvView resident = computed({other.begin(), other.end() - 1});
  const std::vector<float> want = last_logits(resident, other, false);
  const KvView view = loaded(record);
  ASSERT_GE(emulated::waiting(), kPieces * model.transformer.config().layers);

  EXPECT_EQ(last_logits(resident, other, false), want);
  EXPECT_EQ(last_logits(resident, other, true), want);
  EXPECT_GE(emulated::waiting(), kPieces * model.transformer.config().layers);
  last_logits(view, tokens, true);
  EXPECT_EQ(emulated::waiting(), 0);
}

TEST_P(CudaLoads, ComeBeforeWhoHasTheirBlocksNext) {
  const std::vector<int32_t> tokens = text(150), other = text(149);
  const KvRecord record = this->record(tokens);
  const std::vector<float> want =
      last_logits(computed({other.begin(), other.end() - 1}), other, false);
  const int64_t blocks = pool.blocks_in_use();
  loaded(record);  // and given up
  ASSERT_EQ(pool.blocks_in_use(), blocks);

  EXPECT_EQ(last_logits(computed({other.begin(), other.end() - 1}), other, false), want);
  EXPECT_EQ(last_logits(loaded(record), tokens, false),
            last_logits(computed({tokens.begin(), tokens.end() - 1}), tokens, false));
}

TEST_P(CudaLoads, AreThereForWhoCopiesThem) {
  const std::vector<int32_t> tokens = text(100);
  const KvRecord record = this->record(tokens);
  const KvView view = loaded(record);
  KvRecord again{.tokens = record.tokens};
  copy_rows(again, pool, view);

  for (size_t layer = 0; layer < record.layers.size(); ++layer) {
    EXPECT_TRUE(std::ranges::equal(again.layers[layer].k, record.layers[layer].k)) << layer;
    EXPECT_TRUE(std::ranges::equal(again.layers[layer].v, record.layers[layer].v)) << layer;
  }
}

TEST_P(CudaLoads, MayLoseWhatIsOnTheHeapAtOnce) {
  const std::vector<int32_t> tokens = text(150);
  const KvRecord record = this->record(tokens);
  const std::vector<float> want = last_logits(loaded(record), tokens, false);
  const KvRecord copy = on_the_heap(record);

  const KvView view = loaded(copy);
  std::fill_n(copy.storage.get(), bytes_of(copy), std::byte{0x7F});

  EXPECT_EQ(last_logits(view, tokens, false), want);
}

TEST_P(CudaLoads, KeepARecordUntilItIsCopied) {
  const std::vector<int32_t> tokens = text(150);
  KvRecord record = this->record(tokens);
  const KvRecord another = on_the_heap(record);
  const std::vector<float> want = last_logits(loaded(another), tokens, false);
  const std::byte* memory = record.storage.get();
  const int64_t bytes = bytes_of(record);

  const KvView view = loaded(record);
  record = {};  // as a tier that needs its room
  const HostMemory next = model.backend->host_memory(bytes);
  EXPECT_NE(next.get(), memory);
  std::fill_n(next.get(), bytes, std::byte{0x7F});

  EXPECT_EQ(last_logits(view, tokens, false), want);
  loaded(another);  // looks for what has arrived
  EXPECT_EQ(model.backend->host_memory(bytes).get(), memory);
}

TEST_P(CudaLoads, DoWithoutPageLockedMemory) {
  const std::vector<int32_t> tokens = text(150);
  const KvRecord record = this->record(tokens);
  const KvRecord copy = on_the_heap(record);
  const std::vector<float> want = last_logits(loaded(copy), tokens, false);
  for (int slot = 1; slot < 4; ++slot) last_logits(loaded(copy), tokens, false);
  faults.pinned_bytes = 0;  // from here on, the staging area has what it needs

  const size_t pinned = emulated::pinned_bytes_in_use();
  const KvRecord same = this->record(tokens);
  EXPECT_LE(emulated::pinned_bytes_in_use(), pinned);
  EXPECT_EQ(last_logits(loaded(same), tokens, false), want);
  EXPECT_EQ(last_logits(loaded(record), tokens, false), want);  // which has some
}

// Of other sizes than those that come later, all of it would be in the way.
TEST(CudaHostMemory, KeepsTheLatestOfWhatIsLetGoOf) {
  const std::unique_ptr<Backend> backend = make_backend({.device = "cuda"});
  const size_t before = emulated::pinned_bytes_in_use(), piece = size_t{60} << 20;
  for (size_t i = 0; i < 8; ++i) backend->host_memory(piece + (i << 20));
  EXPECT_LE(emulated::pinned_bytes_in_use() - before, size_t{256} << 20);

  const std::byte* latest = backend->host_memory(piece).get();
  EXPECT_EQ(backend->host_memory(piece).get(), latest);
}

TEST(CudaHostMemory, GivesUpWhatIsIdleWhereThereIsNoMore) {
  const std::unique_ptr<Backend> backend = make_backend({.device = "cuda"});
  backend->host_memory(size_t{3} << 20);
  emulated::faults.pinned_bytes = emulated::pinned_bytes_in_use();
  const size_t pinned = emulated::pinned_bytes_in_use();

  const HostMemory memory = backend->host_memory(size_t{2} << 20);
  EXPECT_EQ(emulated::pinned_bytes_in_use(), pinned - (size_t{1} << 20));
  emulated::heal();
}

TEST(CudaHostMemory, OutlivesItsBackend) {
  HostMemory memory;
  {
    const std::unique_ptr<Backend> backend = make_backend({.device = "cuda"});
    memory = backend->host_memory(1000);
  }
  std::fill_n(memory.get(), 1000, std::byte{1});
}

// More than the staging has room for at once.
TEST_P(CudaLoads, ComeInAnyNumber) {
  const std::vector<int32_t> tokens = text(100);
  const KvRecord record = this->record(tokens);
  const std::vector<float> want =
      last_logits(computed({tokens.begin(), tokens.end() - 1}), tokens, false);
  std::vector<KvView> views;
  for (int i = 0; i < 12; ++i) views.push_back(loaded(record));

  for (const KvView& view : views) EXPECT_EQ(last_logits(view, tokens, false), want);
}

}  // namespace
}  // namespace kvs::test
