#include <gtest/gtest.h>

#include <functional>

#include "support/archive_sample.h"
#include "support/errors.h"
#include "support/temporary_folder.h"

namespace kvs::test {
namespace {

struct BrokenRule {
  const char* name;
  std::function<void(KvRecord&)> break_kv;
  std::function<void(PromptRecord&)> break_prompt;
  std::string message;
};

void keep_kv(KvRecord&) {}
void keep_prompt(PromptRecord&) {}

const std::string kId = to_hex(sample_kv(sample_header(), 1).id);

std::vector<BrokenRule> broken_rules() {
  return {
      {"NoTokens", [](KvRecord& kv) { kv.tokens.clear(); }, keep_prompt,
       "kv " + kId + ": 0 tokens, expected 1 to 256"},
      {"TooManyTokens", [](KvRecord& kv) { kv.tokens.resize(257); }, keep_prompt,
       "kv " + kId + ": 257 tokens, expected 1 to 256"},
      {"ZeroId", [](KvRecord& kv) { kv.id = {}; }, keep_prompt,
       "kv 00000000000000000000000000000000: an id is never zero"},
      {"NegativeHome", [](KvRecord& kv) { kv.home = -1; }, keep_prompt,
       "kv " + kId + ": home is out of range"},
      {"ErrorOfALosslessCodec", [](KvRecord& kv) { kv.error = 0.5; }, keep_prompt,
       "kv " + kId + ": a lossless codec has no error"},
      {"LayerMissing", [](KvRecord& kv) { kv.layers.pop_back(); }, keep_prompt,
       "kv " + kId + ": 1 layers, expected 2"},
      {"KeysTooShort", [](KvRecord& kv) { kv.layers[1].k = kv.layers[1].k.first(47); }, keep_prompt,
       "kv " + kId + ": keys of 47 and values of 48 bytes, expected 48"},
      {"ScalesWithoutNeed", [](KvRecord& kv) { kv.layers[0].k_scales = kv.layers[0].k; },
       keep_prompt, "kv " + kId + ": scales of 48 and 0 bytes, expected 0"},
      {"UnknownKv", keep_kv,
       [](PromptRecord& p) {
         p.spans[0].kv = Hash128{0, 1};
       },
       "prompt 'p': span refers to unknown kv 00000000000000000000000000000001"},
      {"RowsBeyondTheRecord", keep_kv, [](PromptRecord& p) { p.spans[0].first = 2; },
       "prompt 'p': span of rows 2 to 4, kv " + kId + " has 3"},
      {"NegativeRow", keep_kv, [](PromptRecord& p) { p.spans[0].first = -1; },
       "prompt 'p': span of rows -1 to 1, kv " + kId + " has 3"},
      {"EmptySpan", keep_kv, [](PromptRecord& p) { p.spans[1].count = 0; },
       "prompt 'p': span of 0 tokens"},
      {"WrongShift", keep_kv, [](PromptRecord& p) { p.spans[0].shift = 0; },
       "prompt 'p': span's shift is 0, expected -5"},
      {"ExactButShifted", keep_kv, [](PromptRecord& p) { p.spans[0].exact = true; },
       "prompt 'p': a span is exact, but shifted or of approximate kv"},
      {"HoleWithAShift", keep_kv, [](PromptRecord& p) { p.spans[1].shift = 1; },
       "prompt 'p': a hole says more than its length"},
      {"TokensNotCovered", keep_kv, [](PromptRecord& p) { p.spans.pop_back(); },
       "prompt 'p': spans cover 7 of 8 tokens"},
      {"EmbeddingOfNobody", keep_kv, [](PromptRecord& p) { p.embedder.clear(); },
       "prompt 'p': an embedding and its embedder's name go together"},
      {"LongName", keep_kv, [](PromptRecord& p) { p.tenant.resize(4097); },
       "prompt 'p': a name of more than 4096 bytes"},
  };
}

class ArchiveRules : public testing::TestWithParam<BrokenRule> {
 protected:
  TemporaryFolder folder;
  std::string path = folder.path() / "x.kva";
};

TEST_P(ArchiveRules, AreKeptByTheWriter) {
  const ArchiveHeader header = sample_header();
  KvRecord kv = sample_kv(header, 1);
  PromptRecord prompt = sample_prompt("p", kv);
  GetParam().break_kv(kv);
  GetParam().break_prompt(prompt);

  ArchiveWriter writer(std::filesystem::path(path), header);
  const Error e = error_of([&] {
    writer.add(kv);
    writer.add(prompt);
  });

  EXPECT_EQ(e.kind(), ErrorKind::argument);
  EXPECT_EQ(e.what(), path + ": " + GetParam().message);
  EXPECT_NO_THROW(writer.finish());
  EXPECT_FALSE(read_all(path).error);
}

INSTANTIATE_TEST_SUITE_P(Each, ArchiveRules, testing::ValuesIn(broken_rules()),
                         [](const auto& test) { return std::string(test.param.name); });

TEST(ArchiveLayout, MustFitIntoMemory) {
  const TemporaryFolder folder;
  ArchiveHeader header = sample_header();
  header.layout = {.layers = 4096, .kv_heads = 4096, .head_dim = 65536, .type = DType::f32};

  const Error e = error_of([&] { ArchiveWriter(folder.path() / "x", header); });

  EXPECT_EQ(e.kind(), ErrorKind::argument);
  EXPECT_EQ(e.what(), (folder.path() / "x").string() +
                          ": layout needs 2251799813685248 bytes for 256 tokens, at most "
                          "1073741824 are possible");
}

TEST(ArchiveIds, OccurOncePerMember) {
  const TemporaryFolder folder;
  const ArchiveHeader header = sample_header();
  ArchiveWriter writer(folder.path() / "x", header);
  const KvRecord kv = sample_kv(header, 1);
  KvRecord moved = sample_kv(header, 1);
  moved.home = 6;
  writer.add(kv);
  writer.add(sample_prompt("p", kv));
  PromptRecord of_another_tenant = sample_prompt("p", kv);
  of_another_tenant.tenant = "other";

  EXPECT_EQ(error_of([&] { writer.add(moved); }).kind(), ErrorKind::argument);
  EXPECT_EQ(error_of([&] { writer.add(sample_prompt("p", kv)); }).kind(), ErrorKind::argument);
  EXPECT_NO_THROW(writer.add(of_another_tenant));
}

}  // namespace
}  // namespace kvs::test
