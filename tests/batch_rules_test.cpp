#include "backend/batch_rules.h"

#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "support/errors.h"

namespace kvs::test {
namespace {

struct Batch {
  AttentionConfig config;
  BatchLayout layout;
};

std::byte block[1];

/// Two rows at the end of 70 positions, and one of another sequence.
Batch sound_batch() {
  Batch batch;
  batch.config.heads = 4;
  batch.config.kv = {1, 2, 16, DType::f16};
  batch.config.inverse_frequencies.resize(8, 1);
  batch.layout.sequences = {{{{block, 0, 64, 0, 0}, {block, 3, 6, 64, -2}}},
                            {{{block, 5, 1, 0, 0}}}};
  batch.layout.rows = {{0, 68, block, 0}, {0, 69, block, 1}, {1, 0, nullptr, 0}};
  return batch;
}

struct BadBatch {
  std::string message;
  std::function<void(Batch&)> spoil;
};

TEST(BatchRules, AcceptASoundBatch) {
  const Batch batch = sound_batch();

  EXPECT_NO_THROW(check_batch(batch.layout, batch.config));
}

TEST(BatchRules, AcceptNoRowsAndNoSequences) {
  const Batch batch = sound_batch();

  EXPECT_NO_THROW(check_batch({}, batch.config));
}

TEST(BatchRules, SayWhatIsWrongWithTheConfiguration) {
  const std::vector<BadBatch> cases{
      {"attention: expected at least one layer and KV head, found 0 and 2",
       [](Batch& b) { b.config.kv.layers = 0; }},
      {"attention: head_dim is 20, expected a multiple of 8 up to 256",
       [](Batch& b) { b.config.kv.head_dim = 20; }},
      {"attention: head_dim is 264, expected a multiple of 8 up to 256",
       [](Batch& b) { b.config.kv.head_dim = 264; }},
      {"attention: head_dim is 0, expected a multiple of 8 up to 256",
       [](Batch& b) { b.config.kv.head_dim = 0; }},
      {"attention: expected a multiple of 2 query heads, found 5",
       [](Batch& b) { b.config.heads = 5; }},
      {"attention: window is -1, expected at least 0", [](Batch& b) { b.config.window = -1; }},
      {"attention: expected 8 inverse frequencies, found 3",
       [](Batch& b) { b.config.inverse_frequencies.resize(3); }}};
  for (const BadBatch& bad : cases) {
    Batch batch = sound_batch();
    bad.spoil(batch);

    const Error error = error_of([&] { check_batch(batch.layout, batch.config); });

    EXPECT_EQ(error.what(), bad.message);
    EXPECT_EQ(error.kind(), ErrorKind::mismatch);
  }
}

TEST(BatchRules, SayWhichRunIsWrong) {
  const auto runs = [](Batch& b) -> std::vector<KvRun>& { return b.layout.sequences[0].runs; };
  const std::vector<BadBatch> cases{
      {"batch: sequence 0: run 1 has no block", [&](Batch& b) { runs(b)[1].block = nullptr; }},
      {"batch: sequence 0: run 1 has rows [3, 3 + 0) of a block of 64",
       [&](Batch& b) { runs(b)[1].count = 0; }},
      {"batch: sequence 0: run 1 has rows [59, 59 + 6) of a block of 64",
       [&](Batch& b) { runs(b)[1].first = 59; }},
      {"batch: sequence 0: run 0 has rows [-1, -1 + 64) of a block of 64",
       [&](Batch& b) { runs(b)[0].first = -1; }},
      {"batch: sequence 0: run 1 begins at position 65, expected 64",
       [&](Batch& b) { runs(b)[1].position = 65; }},
      {"batch: sequence 0: run 0 begins at position 1, expected 0",
       [&](Batch& b) { runs(b)[0].position = 1; }}};
  for (const BadBatch& bad : cases) {
    Batch batch = sound_batch();
    bad.spoil(batch);

    const Error error = error_of([&] { check_batch(batch.layout, batch.config); });

    EXPECT_EQ(error.what(), bad.message);
  }
}

TEST(BatchRules, SayWhichRowIsWrong) {
  const std::vector<BadBatch> cases{
      {"batch: row 2 belongs to sequence 2, there are 2",
       [](Batch& b) { b.layout.rows[2].sequence = 2; }},
      {"batch: row 0 belongs to sequence -1, there are 2",
       [](Batch& b) { b.layout.rows[0].sequence = -1; }},
      {"batch: row 2: the rows of sequence 0 are not contiguous",
       [](Batch& b) { std::swap(b.layout.rows[1], b.layout.rows[2]); }},
      {"batch: row 1 is at position 70, its sequence has runs for 70",
       [](Batch& b) { b.layout.rows[1].position = 70; }},
      {"batch: row 0 is at position -1, its sequence has runs for 70",
       [](Batch& b) { b.layout.rows[0].position = -1; }},
      {"batch: row 1 is at position 67, behind a row at 68",
       [](Batch& b) { b.layout.rows[1].position = 67; }},
      {"batch: row 1 goes to slot 64 of a block of 64",
       [](Batch& b) { b.layout.rows[1].slot = 64; }}};
  for (const BadBatch& bad : cases) {
    Batch batch = sound_batch();
    bad.spoil(batch);

    const Error error = error_of([&] { check_batch(batch.layout, batch.config); });

    EXPECT_EQ(error.what(), bad.message);
  }
}

}  // namespace
}  // namespace kvs::test
