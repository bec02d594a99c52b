#include "kvs/workload.h"

#include <gtest/gtest.h>

#include <numeric>
#include <sstream>

#include "support/errors.h"
#include "support/temporary_folder.h"
#include "support/tiny_model.h"
#include "support/token_texts.h"

namespace kvs::test {
namespace {

Workload read(const std::string& text, const WorkloadOptions& options = {}) {
  std::istringstream in(text);
  const PromptEncoder prompts(data_path("stories260K.gguf"), {});
  return read_workload(in, "w.jsonl", "w", prompts, options);
}

std::vector<std::string> ids(const Workload& workload) {
  std::vector<std::string> ids;
  for (const WorkloadRequest& request : workload.requests) ids.push_back(request.request.id);
  return ids;
}

// Which of the prompts, all of one group, have a similar one before them.
std::vector<bool> similar(const std::vector<Tokens>& prompts) {
  Workload workload;
  for (const Tokens& tokens : prompts) workload.requests.push_back({.tokens = tokens});
  mark_similar(workload);
  std::vector<bool> marks;
  for (const WorkloadRequest& request : workload.requests) marks.push_back(request.similar);
  return marks;
}

TEST(Workload, StandsInTheOrderOfTime) {
  const std::string text = R"({"id":"b","tokens":[1],"arrival_ms":20})"
                           "\n"
                           R"({"id":"a","tokens":[1],"arrival_ms":5})"
                           "\n"
                           R"({"id":"c","tokens":[1],"arrival_ms":20})";

  EXPECT_EQ(ids(read(text)), (std::vector<std::string>{"a", "b", "c"}));
  EXPECT_EQ(ids(read(text, {.limit = 2})), (std::vector<std::string>{"a", "b"}));
}

TEST(Workload, BoundsTheAnswers) {
  const Workload workload = read(R"({"tokens":[1],"max_tokens":900})"
                                 "\n"
                                 R"({"tokens":[1],"max_tokens":3})"
                                 "\n"
                                 R"({"tokens":[1],"max_tokens":0})"
                                 "\n"
                                 R"({"tokens":[1]})",
                                 {.max_tokens = 40});

  EXPECT_EQ(workload.requests[0].request.max_tokens, 40);
  EXPECT_EQ(workload.requests[1].request.max_tokens, 3);
  EXPECT_EQ(workload.requests[2].request.max_tokens, 1);
  EXPECT_EQ(workload.requests[3].request.max_tokens, 40);
}

TEST(Workload, KnowsTheGroupsOfTenants) {
  const Workload workload = read(R"({"tokens":[1],"tenant":"amber"})"
                                 "\n"
                                 R"({"tokens":[1],"tenant":"dusk"})",
                                 {.groups = {{"amber", "north"}}});

  EXPECT_EQ(workload.requests[0].group, "north");
  EXPECT_EQ(workload.requests[1].group, "dusk");
}

TEST(Workload, NamesWhatItCannotTake) {
  EXPECT_STREQ(error_of([] { read(""); }).what(), "w.jsonl: no requests");
  EXPECT_STREQ(error_of([] { read("Once\n{\"tokens\":[]}"); }).what(),
               "w.jsonl:2: field 'tokens': expected an array of token ids from 0 to 2147483647, "
               "not empty, found array");
}

TEST(Workload, RefusesPromptsThatDoNotFit) {
  const ModelConfig model{.vocab = 10, .context = 4};
  const auto refusal = [&](const std::string& tokens) {
    const Workload workload = read(R"({"id":"x","tokens":)" + tokens + "}");
    return std::string(error_of([&] { require_fit(workload, model); }).what());
  };

  EXPECT_EQ(
      refusal("[1,2,3,4]"),
      "w: request 'x': the prompt has 4 tokens, expected fewer than the model's context of 4");
  EXPECT_EQ(refusal("[1,10]"), "w: request 'x': token 10 is outside the vocabulary of 10");
  EXPECT_NO_THROW(require_fit(read(R"({"tokens":[1,2,9]})"), model));
}

TEST(Workload, MarksPromptsThatShareHalfOfTheirTokens) {
  const Tokens body = counting(80, 1000);

  EXPECT_EQ(similar({joined({counting(80), body}), joined({counting(80, 200), body})}),
            (std::vector<bool>{false, true}));
  EXPECT_EQ(similar({joined({counting(82), body}), joined({counting(82, 200), body})}),
            (std::vector<bool>{false, false}));
  // Moved text counts too.
  EXPECT_EQ(similar({joined({counting(80), body}), joined({body, counting(80, 200)})}),
            (std::vector<bool>{false, true}));
}

TEST(Workload, DoesNotCountIdenticalPromptsAsSimilar) {
  const Tokens prompt = counting(50);

  EXPECT_EQ(similar({prompt, prompt}), (std::vector<bool>{false, false}));
  EXPECT_EQ(similar({prompt, joined({prompt, {9}}), prompt}),
            (std::vector<bool>{false, true, true}));
}

TEST(Workload, DoesNotCountShortSpans) {
  Tokens first, second;
  for (int span = 0; span < 10; ++span) {
    first = joined({first, counting(7, span * 10), {500 + span}});
    second = joined({second, counting(7, span * 10), {600 + span}});
  }

  EXPECT_EQ(similar({first, second}), (std::vector<bool>{false, false}));
}

TEST(Workload, LooksForSimilarPromptsInTheGroupOnly) {
  Workload workload;
  workload.requests.push_back({.tokens = counting(50), .group = "north"});
  workload.requests.push_back({.tokens = joined({{77}, counting(50)}), .group = "south"});
  workload.requests.push_back({.tokens = joined({{78}, counting(50)}), .group = "north"});

  mark_similar(workload);

  EXPECT_FALSE(workload.requests[1].similar);
  EXPECT_TRUE(workload.requests[2].similar);
}

TEST(TenantGroups, AreReadFromTheirFile) {
  const TemporaryFolder folder;
  const auto read = [&](std::string_view text) {
    return read_tenant_groups(folder.write("tenants.json", text));
  };
  const std::string file = (folder.path() / "tenants.json").string();
  const auto refusal = [&](std::string_view text) {
    return std::string(error_of([&] { read(text); }).what());
  };

  EXPECT_EQ(read(R"({"groups":{"north":["amber","birch"],"south":["cedar"]}})"),
            (TenantGroups{{"amber", "north"}, {"birch", "north"}, {"cedar", "south"}}));
  EXPECT_EQ(refusal("{}"), file + ": field 'groups': expected an object, found none");
  EXPECT_EQ(refusal(R"({"groups":{"a":3}})"),
            file + ": group 'a': expected an array of tenants, found integer");
  EXPECT_EQ(refusal(R"({"groups":{"a":[3]}})"),
            file + ": group 'a': expected a tenant's name, found integer");
  EXPECT_EQ(refusal(R"({"groups":{"a":["x"],"b":["x"]}})"), file + ": tenant 'x' stands twice");
  EXPECT_EQ(error_of([&] { read_tenant_groups(folder.path() / "none"); }).kind(), ErrorKind::io);
}

}  // namespace
}  // namespace kvs::test
