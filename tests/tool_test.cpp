#include <gtest/gtest.h>

#include <fstream>

#include "kvs/error.h"
#include "kvs/json.h"
#include "support/errors.h"
#include "support/temporary_folder.h"
#include "tools/command_line.h"
#include "tools/progress.h"
#include "tools/prompt_source.h"
#include "tools/reuse_support.h"
#include "tools/shipped_policies.h"
#include "tools/terminal.h"

namespace kvs::test {
namespace {

TEST(Tool, NamesTheVariableOfAnOption) {
  EXPECT_EQ(variable_of("min-span"), "KVS_MIN_SPAN");
}

// Or the guard would not be used where nobody asks for anything else.
TEST(Tool, ItsPolicyFilesWereMadeWithTheDefaults) {
  ASSERT_FALSE(shipped_policies().empty());
  for (const ShippedPolicy& policy : shipped_policies()) {
    const Json file = Json::parse(policy.text, std::string(policy.name));
    EXPECT_EQ(file.get("rule").dump(), rule_to_json({}, DType::f16).dump()) << policy.name;
  }
}

TEST(Tool, ShowsHowFarARunIs) {
  EXPECT_EQ(progress_line("embedding", "prompts", 0, 400, 0, 80),
            "embedding  [                              ]  0/400");
  EXPECT_EQ(progress_line("embedding", "prompts", 100, 400, 20, 80),
            "embedding  [=======                       ]  100/400  5 prompts/s  1:00 left");
  EXPECT_EQ(progress_line("embedding", "prompts", 1, 7201, 1, 120),
            "embedding  [                              ]  1/7201  1 prompts/s  2:00:00 left");
  EXPECT_EQ(progress_line("embedding", "prompts", 400, 400, 20, 80),
            "embedding  [==============================]  400/400  20 prompts/s");
}

TEST(Tool, ShowsAHighRateInWholeNumbers) {
  EXPECT_EQ(progress_line("reading", "lines", 3021, 0, 2, 80), "reading  3021  1510 lines/s");
  EXPECT_EQ(progress_line("reading", "lines", 100, 0, 3, 80), "reading  100  33.3 lines/s");
}

TEST(Tool, KeepsProgressOnOneLineOfANarrowTerminal) {
  EXPECT_EQ(progress_line("embedding", "prompts", 100, 400, 20, 60),
            "embedding  100/400  5 prompts/s  1:00 left");
  EXPECT_EQ(progress_line("embedding", "prompts", 100, 400, 20, 20), "embedding  100/400 ");
}

TEST(Tool, ShowsNoTimeLeftWhereTheEndIsUnknown) {
  EXPECT_EQ(progress_line("reading", "lines", 3, 0, 2, 80), "reading  3  1.5 lines/s");
}

// A device that faulted, or a full disk, would only fail for the others, too.
TEST(Tool, GoesOnBehindAPromptButNotBehindADevice) {
  const TemporaryFolder folder;
  const std::string file = (folder.path() / "prompts").string();
  std::ofstream(file) << "one\ntwo\nthree\n";
  const PromptEncoder encoder(std::string(KVS_TEST_DATA) + "/stories260K.gguf", {});
  const PromptSource source{.files = {file}, .shard = {}, .keep_going = true};
  int seen = 0;
  const auto failing = [&](ErrorKind kind) {
    seen = 0;
    return [&seen, kind](const Request&, const std::vector<int32_t>&) {
      ++seen;
      fail(kind, "broken");
    };
  };

  EXPECT_EQ(source.for_each(encoder, failing(ErrorKind::argument)), 3);
  EXPECT_EQ(source.for_each(encoder, failing(ErrorKind::memory)), 3);
  for (const ErrorKind kind : {ErrorKind::device, ErrorKind::io}) {
    const Error e = error_of([&] { source.for_each(encoder, failing(kind)); });
    EXPECT_EQ(e.kind(), kind);
    EXPECT_EQ(seen, 1);
  }
}

TEST(Tool, WritesNoEscapesWhereColoursAreNotWanted) {
  EXPECT_TRUE(palette(false).red.empty());
  EXPECT_TRUE(palette(false).reset.empty());
  EXPECT_EQ(palette(true).reset, "\033[0m");
}

}  // namespace
}  // namespace kvs::test
