#include "kvs/archive_report.h"

#include <gtest/gtest.h>

#include <sstream>

#include "support/archive_sample.h"
#include "support/errors.h"
#include "support/temporary_folder.h"

namespace kvs::test {
namespace {

struct Report {
  std::vector<PromptLine> prompts;
  std::vector<MemberLine> members;
};

Report report_of(std::istream& stream) {
  ArchiveReader reader(stream, "x", {.decode_kv = false});
  ArchiveReport report;
  Report result;
  while (const auto item = reader.next())
    if (auto line = report.add(*item)) result.prompts.push_back(*line);
  result.members = report.members();
  return result;
}

// Writes one prompt over one record of the tokens 1 to 3 at position 5.
std::string archive_of(const std::filesystem::path& path, const PromptRecord& prompt) {
  const ArchiveHeader header = sample_header();
  KvRecord kv = sample_kv(header, 1);
  kv.tokens = {1, 2, 3};
  ArchiveWriter writer(path, header);
  writer.add(kv);
  writer.add(prompt);
  writer.finish();
  return read_bytes(path);
}

TEST(ArchiveReport, CountsRowsAndBytesOfEachPrompt) {
  const TemporaryFolder folder;
  PromptRecord prompt = sample_prompt("p", sample_kv(sample_header(), 1));
  prompt.tokens.back() = 3;  // the exact row's
  std::istringstream stream(archive_of(folder.path() / "x", prompt));

  const auto [prompts, members] = report_of(stream);

  ASSERT_EQ(prompts.size(), 1u);
  EXPECT_EQ(prompts[0].id, "p");
  EXPECT_EQ(prompts[0].tokens, 8);
  EXPECT_EQ(prompts[0].exact, 1);
  EXPECT_EQ(prompts[0].approximate, 2);
  EXPECT_EQ(prompts[0].holes, 5);
  EXPECT_EQ(prompts[0].codecs, "raw");
  ASSERT_EQ(members.size(), 1u);
  EXPECT_EQ(prompts[0].kv_bytes, members[0].kv_bytes);
  EXPECT_EQ(members[0].rows, 3);
  EXPECT_TRUE(members[0].table);
  EXPECT_TRUE(members[0].complete);
}

TEST(ArchiveReport, NoticesExactRowsOfOtherTokens) {
  const TemporaryFolder folder;
  const PromptRecord prompt = sample_prompt("p", sample_kv(sample_header(), 1));
  std::istringstream stream(archive_of(folder.path() / "x", prompt));

  const Error e = error_of([&] { report_of(stream); });

  EXPECT_EQ(e.kind(), ErrorKind::format);
  EXPECT_EQ(e.what(), "prompt 'p': the exact span at token 7 has other tokens than kv " +
                          to_hex(sample_kv(sample_header(), 1).id));
}

}  // namespace
}  // namespace kvs::test
