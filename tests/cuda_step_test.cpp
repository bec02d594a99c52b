#include <gtest/gtest.h>

#include "support/emulated_cuda/capture.h"
#include "support/emulated_cuda/faults.h"
#include "support/errors.h"
#include "support/tiny_model.h"

// Steps of decoding that are recorded, on a device that counts them.
namespace kvs::test {
namespace {

using emulated::faults;
using emulated::replays;

class CudaSteps : public testing::TestWithParam<Compute> {
 protected:
  ~CudaSteps() override { emulated::heal(); }

  struct Sequence {
    std::vector<int32_t> tokens;
    KvView view;
  };

  void add_sequence(int count) {
    Sequence& sequence = sequences.emplace_back();
    for (int i = 0; i < count; ++i) sequence.tokens.push_back((i * (i + count) + 7) % 512);
    sequence.view.append_fresh(pool, count, true);
    compute_rows(model.transformer, sequence.view, sequence.tokens, all_positions(count), kKv);
  }

  /// Another token of each sequence, and every third row before it anew.
  Batch next_step(int repaired = 0) {
    Batch batch;
    for (Sequence& sequence : sequences) {
      const auto own = static_cast<int32_t>(batch.layout.sequences.size());
      const auto last = static_cast<int32_t>(sequence.tokens.size());
      sequence.tokens.push_back((last * 31 + own) % 512);
      sequence.view.append_fresh(pool, 1, true);
      for (int32_t at = last - 3 * repaired; at <= last; at += 3) {
        if (at < last) sequence.view.replace_by_fresh(pool, at, 1, false);
        const KvView::Slot slot = sequence.view.slot(at);
        batch.tokens.push_back(sequence.tokens[at]);
        batch.layout.rows.push_back({own, at, slot.block, slot.row});
      }
      batch.layout.sequences.push_back(sequence.view.runs(last + 1));
      batch.logits_rows.push_back(static_cast<int32_t>(batch.tokens.size()) - 1);
    }
    return batch;
  }

  /// That a step gives what a pass gives that is watched, and so never recorded.
  void expect_same(const Batch& batch) {
    std::vector<float> got, want;
    model.transformer.forward(batch, kKv, got);
    model.transformer.forward(batch, kKv, want,
                              [](int, int64_t, const Tensor&, const BatchPlan&) {});
    EXPECT_EQ(got, want);
  }

  static constexpr DType kKv = DType::f16;
  std::vector<std::string> notes;
  TinyModel model{
      data_path("stories260K.gguf"),
      GetParam(),
      {.device = "cuda", .note = [this](std::string_view reason) { notes.emplace_back(reason); }}};
  KvPool pool{*model.backend, model.transformer.kv_layout(kKv), 64};
  std::vector<Sequence> sequences;
};
INSTANTIATE_TEST_SUITE_P(In, CudaSteps, testing::Values(Compute::f32, Compute::bf16),
                         [](const auto& parameter) {
                           return parameter.param == Compute::f32 ? "f32" : "bf16";
                         });

// Over the bound of a block, so that tables outgrow their room.
TEST_P(CudaSteps, GiveTheSameLogitsWhenTheyAreReplayed) {
  for (const int count : {58, 20, 121}) add_sequence(count);

  for (int step = 0; step < 12; ++step) {
    if (step == 6) std::swap(sequences[0], sequences[2]);
    expect_same(next_step());
  }

  EXPECT_GE(replays, 6);
  EXPECT_TRUE(notes.empty());
}

TEST_P(CudaSteps, TakeRepairedRowsAndMovedOnes) {
  add_sequence(70);
  Sequence moved{.tokens = {1, 2, 3}, .view = {}};
  moved.view.append_fresh(pool, 3, true);
  compute_rows(model.transformer, moved.view, moved.tokens, all_positions(3), kKv);
  moved.view.append_shared(sequences[0].view, 10, 40, false);
  moved.tokens.insert(moved.tokens.end(), 40, 5);
  sequences.push_back(std::move(moved));

  for (int step = 0; step < 4; ++step) expect_same(next_step(/*repaired=*/5));

  EXPECT_GE(replays, 2);
}

TEST_P(CudaSteps, TakeOtherRowsInLaterLayers) {
  add_sequence(50);
  add_sequence(50);
  LayeredView view(sequences[0].view);
  view.differ_from(2, sequences[1].view);
  for (int32_t at = 50; at < 55; ++at) {
    view.append_fresh(pool, 1, false);
    const KvView::Slot slot = view.top().slot(at);
    Batch batch{.tokens = {at}, .layout = {}, .logits_rows = {0}};
    batch.layout.rows.push_back({0, at, slot.block, slot.row});
    batch.layout.sequences.push_back(view.at(0).runs(at + 1));
    batch.later.push_back({2, {view.at(2).runs(at + 1)}});

    expect_same(batch);
  }

  EXPECT_GE(replays, 3);
}

TEST_P(CudaSteps, LeaveNothingBehindWhereTheyLackMemory) {
  add_sequence(30);
  for (int step = 0; step < 3; ++step) expect_same(next_step());
  ASSERT_EQ(replays, 2);
  faults.graphs_refused = 1;
  const Batch batch = next_step();
  std::vector<float> logits;

  const Error e = error_of([&] { model.transformer.forward(batch, kKv, logits); });

  EXPECT_EQ(e.kind(), ErrorKind::memory);
  expect_same(batch);
  EXPECT_EQ(replays, 3);
}

TEST_P(CudaSteps, AreRecordedOnceThereIsMemory) {
  add_sequence(30);
  expect_same(next_step());
  faults.graphs_refused = 1;
  expect_same(next_step());
  ASSERT_EQ(replays, 0);

  expect_same(next_step());

  EXPECT_EQ(replays, 1);
  EXPECT_TRUE(notes.empty());
}

TEST_P(CudaSteps, AreQueuedOneByOneWhereNothingCanBeCaptured) {
  faults.captures = false;
  add_sequence(30);

  for (int step = 0; step < 4; ++step) expect_same(next_step());

  EXPECT_EQ(replays, 0);
  ASSERT_EQ(notes.size(), 1U);
  EXPECT_EQ(notes[0],
            "steps of decoding are not recorded: cuda: capture failed: an error of the emulation");
}

TEST_P(CudaSteps, ShowAFaultOfAReplay) {
  add_sequence(30);
  for (int step = 0; step < 3; ++step) expect_same(next_step());
  const Batch batch = next_step();
  faults.launches_left = 10;
  model.transformer.run(batch, kKv);

  const Error e = error_of([&] { model.backend->synchronize(); });

  EXPECT_EQ(e.kind(), ErrorKind::device);
  const std::string what = e.what();
  EXPECT_TRUE(what.starts_with("cuda: an operation failed, a recorded step (")) << what;
  EXPECT_NE(what.find(" launches from embed to matmul, 5 layers; compute-sanitizer says which) or "
                      "one queued before it: an error of the emulation"),
            std::string::npos)
      << what;
}

TEST_P(CudaSteps, LetAnEngineAnswerAsEver) {
  const auto answer = [&](bool captures) {
    faults.captures = captures;
    TinyModel own(data_path("stories260K.gguf"), GetParam(), {.device = "cuda"});
    Engine engine(own.transformer, nullptr, {.max_blocks = 16, .kv_type = kKv});
    Task task{.id = "task", .max_tokens = 8};
    for (int i = 0; i < 70; ++i) task.tokens.push_back(7 * i % 512);
    return engine.run(task).tokens;
  };

  const auto want = answer(false);
  ASSERT_EQ(replays, 0);

  EXPECT_EQ(answer(true), want);
  EXPECT_GE(replays, 4);
}

}  // namespace
}  // namespace kvs::test
