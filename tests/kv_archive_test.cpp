#include "kvs/kv_archive.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <memory>
#include <numeric>

#include "kvs/donor_store.h"
#include "support/archive_prompt.h"
#include "support/errors.h"
#include "support/temporary_folder.h"

namespace kvs::test {
namespace {

class KvArchive : public testing::TestWithParam<DType> {
 protected:
  // A view whose bytes say where they are.
  KvView filled(int64_t tokens) {
    KvView view;
    view.append_fresh(pool, tokens, true);
    for (const KvRun& run : view.runs(tokens).runs) {
      auto* bytes = static_cast<unsigned char*>(const_cast<void*>(run.block));
      for (size_t i = 0; i < layout.block_bytes(); ++i)
        bytes[i] = static_cast<unsigned char>((i * 31 + run.position) % 251);
    }
    return view;
  }

  // The bytes of one head's row, keys and values and scales.
  std::vector<std::byte> row(const KvView& view, int64_t position) const {
    const KvView::Slot slot = view.slot(position);
    std::vector<std::byte> bytes;
    const auto take = [&](size_t offset, size_t size) {
      const auto* from = static_cast<const std::byte*>(slot.block) + offset + slot.row * size;
      bytes.insert(bytes.end(), from, from + size);
    };
    for (int layer = 0; layer < layout.layers; ++layer)
      for (int head = 0; head < layout.kv_heads; ++head) {
        take(layout.key_offset(layer, head), layout.row_bytes());
        take(layout.value_offset(layer, head), layout.row_bytes());
        if (layout.type != DType::q8) continue;
        take(layout.key_scale_offset(layer, head), sizeof(float));
        take(layout.value_scale_offset(layer, head), sizeof(float));
      }
    return bytes;
  }

  static PromptRecord prompt(const std::string& id, int32_t count, int32_t first = 0) {
    PromptRecord record{.id = id, .tenant = "t"};
    record.tokens.resize(count);
    std::iota(record.tokens.begin(), record.tokens.end(), first);
    return record;
  }

  ArchiveWriter writer() { return {path, {.model = "m", .fingerprint = "f", .layout = layout}}; }

  std::unique_ptr<Backend> backend = make_backend({.device = "cpu", .threads = 1});
  KvLayout layout{.layers = 2, .kv_heads = 3, .head_dim = 8, .type = GetParam()};
  KvPool pool{*backend, layout, 64};
  TemporaryFolder folder;
  std::filesystem::path path = folder.path() / "rows.kva";
};
INSTANTIATE_TEST_SUITE_P(Of, KvArchive, testing::Values(DType::f16, DType::f32, DType::q8),
                         [](const auto& parameter) { return dtype_name(parameter.param); });

TEST_P(KvArchive, BringsEveryRowBack) {
  const KvView view = filled(150);
  ArchiveWriter out = writer();
  archive_prompt(out, "f", pool, view, prompt("p", 150), KvCodec::shuffle);
  out.finish();

  const ArchiveFile archive(path);
  ArchivedRows rows(pool);
  const KvView loaded = rows.load(archive, 0, archive.read_prompt(0));

  ASSERT_EQ(loaded.size(), 150);
  EXPECT_EQ(loaded.exact_rows(), 150);
  for (int64_t position = 0; position < 150; ++position)
    ASSERT_EQ(row(loaded, position), row(view, position)) << position;
}

TEST_P(KvArchive, RowsOfALossyCodecAreApproximate) {
  if (GetParam() == DType::q8) GTEST_SKIP() << "q8 rows are stored as they are";
  KvView view;
  view.append_fresh(pool, 150, true);
  for (const KvRun& run : view.runs(150).runs)
    std::memset(const_cast<void*>(run.block), 0x3c, layout.block_bytes());
  ArchiveWriter out = writer();
  archive_prompt(out, "f", pool, view, prompt("p", 150), KvCodec::q4);
  out.finish();

  const ArchiveFile archive(path);
  const KvView loaded = ArchivedRows(pool).load(archive, 0, archive.read_prompt(0));

  EXPECT_EQ(loaded.size(), 150);
  EXPECT_EQ(loaded.exact_rows(), 0);
  EXPECT_LT(archive.read_kv(0, archive.kv_ids(0)[0]).error, 0.05);
}

TEST_P(KvArchive, ALossyArchiveGivesDonorsOfApproximateRows) {
  if (GetParam() == DType::q8) GTEST_SKIP() << "q8 rows are stored as they are";
  KvView view;
  view.append_fresh(pool, 150, true);
  for (const KvRun& run : view.runs(150).runs)
    std::memset(const_cast<void*>(run.block), 0x3c, layout.block_bytes());
  ArchiveWriter out = writer();
  archive_prompt(out, "f", pool, view, prompt("p", 150), KvCodec::q8);
  out.finish();
  DonorStore store(pool);

  store.preload(path, {.model = "m", .fingerprint = "f", .layout = layout});

  const PromptRecord same = prompt("q", 150);
  const std::vector<ReuseDonor> found = store.find({.tokens = same.tokens, .tenant = "t"});
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].tokens.size(), 150u);
  EXPECT_EQ(found[0].exact_rows, 0);
  const ReusePlan approximate = plan_reuse(same.tokens, found, {.policy = Policy::naive});
  EXPECT_EQ(approximate.count(PlanSpan::Kind::exact), 0);
  EXPECT_EQ(approximate.count(PlanSpan::Kind::shifted), 149);
  const ReusePlan lossless = plan_reuse(same.tokens, found, {.mode = ReuseMode::exact});
  EXPECT_EQ(lossless.count(PlanSpan::Kind::computed), 150);
}

TEST_P(KvArchive, StoresAndLoadsSharedTextOnce) {
  KvView first = filled(130), second;
  second.append_shared(first, 0, 128, true);
  second.append_fresh(pool, 10, true);
  PromptRecord other = prompt("q", 138);
  other.tokens[130] = 999;
  ArchiveWriter out = writer();
  archive_prompt(out, "f", pool, first, prompt("p", 130), KvCodec::raw);
  archive_prompt(out, "f", pool, second, other, KvCodec::raw);
  out.finish();
  const ArchiveFile archive(path);
  EXPECT_EQ(archive.kv_ids(0).size(), 4u);  // two shared records and two ends

  ArchivedRows rows(pool);
  const int64_t before = pool.blocks_in_use();
  const KvView p = rows.load(archive, 0, archive.read_prompt(0));
  const KvView q = rows.load(archive, 0, archive.read_prompt(1));

  EXPECT_EQ(pool.blocks_in_use(), before + 4);
  EXPECT_EQ(p.slot(100).block, q.slot(100).block);
}

// Texts 0 to 2 have 100 tokens in common, which end inside a record of the first.
TEST_P(KvArchive, StoresTheRowsOfACommonStartOnce) {
  const KvView common = filled(100);
  std::vector<KvView> views(3);
  std::vector<PromptRecord> prompts;
  ArchiveWriter out = writer();
  KvArchiver archiver(out, "f", KvCodec::raw);
  for (int32_t at = 0; at < 3; ++at) {
    views[at].append_shared(common, 0, 100, true);
    views[at].append_shared(filled(50), 0, 50, true);
    PromptRecord& record = prompts.emplace_back(prompt(std::to_string(at), 150));
    for (int32_t position = 100; position < 150; ++position) record.tokens[position] += 1000 * at;
    archiver.add(pool, views[at], record);
  }
  EXPECT_TRUE(archiver.finish().empty());
  out.finish();

  const ArchiveFile archive(path);
  int64_t stored = 0;
  for (const Hash128& id : archive.kv_ids(0)) stored += archive.find_kv(0, id)->count;
  EXPECT_EQ(stored, 150 + (36 + 50) + 50);
  ArchivedRows rows(pool);
  for (size_t at = 0; at < 3; ++at) {
    const KvView loaded = rows.load(archive, 0, archive.read_prompt(at));
    ASSERT_EQ(loaded.size(), 150);
    EXPECT_EQ(rows.load_pieces(archive, 0, archive.read_prompt(at)).size(), 1u);
    for (int64_t position = 0; position < 150; ++position)
      ASSERT_EQ(row(loaded, position), row(views[at], position)) << at << ' ' << position;
  }
}

TEST_P(KvArchive, GoesOnWithoutAPromptThatCannotBeWritten) {
  ArchiveWriter out = writer();
  KvArchiver archiver(out, "f", KvCodec::raw);
  for (const char* id : {"p", "p", "q"}) archiver.add(pool, filled(70), prompt(id, 70));

  const std::vector<Error> errors = archiver.finish();
  out.finish();

  ASSERT_EQ(errors.size(), 1u);
  EXPECT_EQ(errors[0].kind(), ErrorKind::argument);
  EXPECT_EQ(ArchiveFile(path).prompt_count(), 2u);
}

TEST_P(KvArchive, SaysWhyNothingMoreCanBeWritten) {
  const int full = open("/dev/full", O_WRONLY);
  const KvView view = filled(70);
  EXPECT_EQ(error_of([&] {
              ArchiveWriter out(full, "full", {.model = "m", .fingerprint = "f", .layout = layout});
              KvArchiver archiver(out, "f", KvCodec::raw);
              for (const char* id : {"p", "q"}) archiver.add(pool, view, prompt(id, 70));
              for (const Error& error : archiver.finish()) throw Error(error);
            }).kind(),
            ErrorKind::io);
  close(full);
}

TEST_P(KvArchive, KeepsTenantsRecordsApart) {
  const KvView view = filled(64);
  PromptRecord other = prompt("q", 64);
  other.tenant = "u";
  ArchiveWriter out = writer();
  archive_prompt(out, "f", pool, view, prompt("p", 64), KvCodec::raw);
  archive_prompt(out, "f", pool, view, other, KvCodec::raw);
  out.finish();

  EXPECT_EQ(ArchiveFile(path).kv_ids(0).size(), 2u);
}

TEST_P(KvArchive, LeavesApproximateRowsOut) {
  KvView view, donor = filled(100);
  view.append_fresh(pool, 20, true);
  view.append_shared(donor, 0, 50, false);
  ArchiveWriter out = writer();
  archive_prompt(out, "f", pool, view, prompt("p", 70), KvCodec::raw);
  out.finish();

  const PromptRecord stored = ArchiveFile(path).read_prompt(0);

  ASSERT_EQ(stored.spans.size(), 2u);
  EXPECT_EQ(stored.spans[0].count, 20);
  EXPECT_FALSE(stored.spans[1].kv);
  EXPECT_EQ(stored.spans[1].count, 50);
}

TEST_P(KvArchive, RefusesRowsOfAnotherLayout) {
  ArchiveWriter out = writer();
  archive_prompt(out, "f", pool, filled(10), prompt("p", 10), KvCodec::raw);
  out.finish();
  const ArchiveFile archive(path);
  KvPool other(*backend, {.layers = 2, .kv_heads = 3, .head_dim = 16}, 4);

  const Error e = error_of([&] { ArchivedRows(other).load(archive, 0, archive.read_prompt(0)); });

  EXPECT_EQ(e.kind(), ErrorKind::mismatch);
}

}  // namespace
}  // namespace kvs::test
