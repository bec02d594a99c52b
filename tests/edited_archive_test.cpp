#include "kvs/edited_archive.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <numeric>

#include "kvs/align.h"
#include "kvs/donor_store.h"
#include "kvs/kv_archive.h"
#include "support/archive_prompt.h"
#include "support/errors.h"
#include "support/temporary_folder.h"

namespace kvs::test {
namespace {

using Tokens = std::vector<int32_t>;

Tokens counting(int32_t first, int32_t count) {
  Tokens tokens(count);
  std::iota(tokens.begin(), tokens.end(), first);
  return tokens;
}

Tokens joined(std::initializer_list<Tokens> parts) {
  Tokens all;
  for (const Tokens& part : parts) all.insert(all.end(), part.begin(), part.end());
  return all;
}

class EditedArchive : public testing::Test {
 protected:
  EditedArchive() {
    ArchiveWriter out(donors_path, header);
    for (size_t at = 0; at < texts.size(); ++at) {
      KvView view;
      view.append_fresh(pool, static_cast<int64_t>(texts[at].size()), true);
      archive_prompt(out, "f", pool, view, {.id = std::to_string(at), .tokens = texts[at]},
                     KvCodec::raw);
    }
    out.finish();
    archive.emplace(donors_path);
    for (size_t at = 0; at < texts.size(); ++at) prompts.push_back(archive->read_prompt(at));
  }

  std::vector<ArchivedDonor> donors() const {
    std::vector<ArchivedDonor> all;
    for (const PromptRecord& prompt : prompts) all.push_back({&*archive, 0, &prompt});
    return all;
  }

  // Writes one edited prompt and reads it back.
  PromptRecord apply(const Tokens& tokens, const EditScript& edits) {
    ArchiveWriter out(path, header);
    archive_edited(out, {.id = "new", .tokens = tokens}, edits, donors());
    out.finish();
    return ArchiveFile(path).read_prompt(0);
  }

  const std::vector<Tokens> texts = {counting(0, 150), counting(500, 100)};
  std::unique_ptr<Backend> backend = make_backend({.device = "cpu", .threads = 1});
  KvLayout layout{.layers = 1, .kv_heads = 1, .head_dim = 8};
  ArchiveHeader header{.model = "m", .fingerprint = "f", .layout = layout};
  KvPool pool{*backend, layout, 64};
  TemporaryFolder folder;
  std::filesystem::path donors_path = folder.path() / "donors.kva";
  std::filesystem::path path = folder.path() / "edited.kva";
  std::optional<ArchiveFile> archive;
  std::vector<PromptRecord> prompts;

  // 0..70 of donor 0, a hole, all of donor 1, 100..150 of donor 0.
  const Tokens target = joined({counting(0, 70), {900, 901}, texts[1], counting(100, 50)});
  const EditScript script =
      make_script(target, std::vector<int64_t>{150, 100},
                  std::vector<SourceSpan>{{0, 70, 0, 0}, {72, 100, 1, 0}, {172, 50, 0, 100}});
};

TEST_F(EditedArchive, SpansReferToTheDonorsRecords) {
  const PromptRecord edited = apply(target, script);

  ASSERT_EQ(edited.spans.size(), 7u);
  EXPECT_EQ(edited.spans[0], (PromptSpan{prompts[0].spans[0].kv, 0, 64, 0, true}));
  EXPECT_EQ(edited.spans[1], (PromptSpan{prompts[0].spans[1].kv, 0, 6, 0, true}));
  EXPECT_EQ(edited.spans[2], (PromptSpan{.count = 2}));
  EXPECT_EQ(edited.spans[3], (PromptSpan{prompts[1].spans[0].kv, 0, 64, 72, false}));
  EXPECT_EQ(edited.spans[4], (PromptSpan{prompts[1].spans[1].kv, 0, 36, 72, false}));
  EXPECT_EQ(edited.spans[5], (PromptSpan{prompts[0].spans[1].kv, 36, 28, 72, false}));
  EXPECT_EQ(edited.spans[6], (PromptSpan{prompts[0].spans[2].kv, 0, 22, 72, false}));
  EXPECT_EQ(ArchiveFile(path).kv_ids(0).size(), 5u);
}

TEST_F(EditedArchive, OnlyTheBeginningIsThePromptsOwn) {
  EXPECT_EQ(own_rows("f", prompts[0]), 150);
  EXPECT_EQ(own_rows("another model", prompts[0]), 0);

  EXPECT_EQ(own_rows("f", apply(target, script)), 64);  // part of a record does not say whose it is
}

TEST_F(EditedArchive, PiecesKeepApartWhatDidNotStandTogether) {
  const PromptRecord edited = apply(target, script);
  const ArchiveFile file(path);

  const auto pieces = ArchivedRows(pool).load_pieces(file, 0, edited);

  ASSERT_EQ(pieces.size(), 3u);
  EXPECT_EQ(pieces[0].first, 0);
  EXPECT_EQ(pieces[0].rows.exact_rows(), 70);
  EXPECT_EQ(pieces[1].first, 72);
  EXPECT_EQ(pieces[1].rows.size(), 100);
  EXPECT_EQ(pieces[1].rows.exact_rows(), 0);
  EXPECT_EQ(pieces[2].first, 172);
  EXPECT_EQ(pieces[2].rows.segments()[0].home, 100);
}

TEST_F(EditedArchive, ServesTheSameTokensAndNobodyElse) {
  apply(target, script);
  DonorStore store(pool);
  store.preload(path, header);

  const auto same = store.find({.tokens = target, .tenant = {}});
  Tokens longer = target;
  longer.push_back(7);
  const auto others = store.find({.tokens = longer, .tenant = {}});
  const auto foreign = store.find({.tokens = target, .tenant = "b"});

  EXPECT_EQ(std::count_if(same.begin(), same.end(), [](auto& d) { return d.only_at >= 0; }), 3);
  ASSERT_EQ(others.size(), 1u);
  EXPECT_EQ(others[0].tokens.size(), 64u);  // its own rows
  EXPECT_TRUE(foreign.empty());
}

TEST_F(EditedArchive, ThePlanIsTheDonorsPlan) {
  apply(target, script);
  DonorStore store(pool);
  store.preload(path, header);
  std::vector<ReuseDonor> whole;
  for (const Tokens& text : texts)
    whole.push_back({.tokens = text, .exact_rows = static_cast<int64_t>(text.size())});

  for (const Policy policy : {Policy::naive, Policy::epic}) {
    const ReuseOptions options{.policy = policy};
    const ReusePlan edited =
        plan_reuse(target, store.find({.tokens = target, .tenant = {}}), options);
    const ReusePlan aligned = plan_reuse(target, whole, options);

    for (const auto kind : {PlanSpan::Kind::exact, PlanSpan::Kind::shifted,
                            PlanSpan::Kind::recomputed, PlanSpan::Kind::computed})
      EXPECT_EQ(edited.count(kind), aligned.count(kind));
  }
}

// A span whose records' tokens are not the prompt's is a fuzzy one.
TEST_F(EditedArchive, KeepsRowsThatStandForOtherTokens) {
  Tokens tokens = texts[0];
  tokens[70] = 901;
  tokens[100] = 902;
  const EditScript fuzzy =
      make_script(tokens, std::vector<int64_t>{150, 100},
                  std::vector<SourceSpan>{
                      {0, 70, 0, 0}, {70, 1, 0, 70, true}, {71, 29, 0, 71}, {101, 49, 0, 101}});

  const PromptRecord edited = apply(tokens, fuzzy);

  EXPECT_EQ(edited.spans[2], (PromptSpan{prompts[0].spans[1].kv, 6, 1, 0, false}));
  DonorStore store(pool);
  store.preload(path, header);
  const ReusePlan plan =
      plan_reuse(tokens, store.find({.tokens = tokens, .tenant = {}}), {.policy = Policy::naive});
  EXPECT_EQ(plan.count(PlanSpan::Kind::exact), 70);
  EXPECT_EQ(plan.count(PlanSpan::Kind::fuzzy), 1);
  EXPECT_EQ(plan.count(PlanSpan::Kind::shifted), 29 + 48);
  EXPECT_EQ(plan.count(PlanSpan::Kind::computed), 1);
  const ReusePlan lossless =
      plan_reuse(tokens, store.find({.tokens = tokens, .tenant = {}}), {.policy = Policy::prefix});
  EXPECT_EQ(lossless.count(PlanSpan::Kind::exact), 70);
  EXPECT_TRUE(store.find({.tokens = texts[0], .tenant = "b"}).empty());
}

TEST_F(EditedArchive, GivesItsRowsUpWhenThePoolIsFull) {
  apply(target, script);
  DonorStore store(pool);
  store.preload(path, header);

  const bool made = store.make_room(pool.max_blocks());

  EXPECT_TRUE(made);
  EXPECT_TRUE(store.find({.tokens = target, .tenant = {}}).empty());
}

TEST_F(EditedArchive, RefusesAScriptOfOtherTokens) {
  Tokens other = target;
  other[3] = 77;

  const Error error = error_of([&] { apply(other, script); });

  EXPECT_EQ(error.kind(), ErrorKind::argument);
  EXPECT_STREQ(error.what(), "prompt 'new': the edit script makes other tokens");
}

}  // namespace
}  // namespace kvs::test
