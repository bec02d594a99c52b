#include "serve/decision_log.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace kvs::test {
namespace {

Response planned() {
  Response response{.id = "acme/cmpl-1", .text = "a secret", .finish_reason = "length"};
  response.reuse.policy = Policy::kvshare;
  response.reuse.budget = 0.1;
  response.reuse.prompt_tokens = 10;
  response.reuse.exact = 4;
  response.reuse.shifted = 2;
  response.reuse.recomputed = 1;
  response.reuse.computed = 3;
  response.reuse.donors = {{.id = "globex/cmpl-0", .tokens = 2, .place = DonorPlace::disk},
                           {.id = "acme/cmpl-0", .tokens = 1, .place = DonorPlace::memory},
                           {.id = "globex/cmpl-2", .tokens = 3, .place = DonorPlace::disk}};
  response.reuse.spans = {{.count = 10}};
  response.reuse.ttft_ms = 1.25;
  return response;
}

Json::Array decisions(const DecisionLog& log) {
  return log.to_json().get("decisions").as_array();
}

TEST(DecisionLog, IsEmptyFromTheStart) {
  EXPECT_EQ(DecisionLog().to_json().dump(), R"({"decisions":[]})");
}

TEST(DecisionLog, TellsNeitherTextNorNames) {
  DecisionLog log;

  log.add("2026-01-02T03:04:05Z", "req-1", planned());

  EXPECT_EQ(log.to_json().dump(),
            R"({"decisions":[{"time":"2026-01-02T03:04:05Z","request_id":"req-1",)"
            R"("policy":"kvshare","budget":0.1,"prompt_tokens":10,"exact":4,"shifted":2,)"
            R"("fuzzy":0,"recomputed":1,"computed":3,"reason":null,"ttft_ms":1.25,)"
            R"("tiers":["memory","disk"],"finish_reason":"length"}]})");
}

TEST(DecisionLog, SaysWhyNotMoreWasReused) {
  DecisionLog log;
  Response response = planned();
  response.reuse.reason = ReuseReason::guard;

  log.add("", "req-1", response);

  EXPECT_EQ(decisions(log).at(0).get("reason").as_string(), "guard");
}

TEST(DecisionLog, KeepsTheLatestOnly) {
  DecisionLog log;

  for (size_t number = 0; number < DecisionLog::kMost + 2; ++number)
    log.add("", std::to_string(number), planned());
  const Json::Array kept = decisions(log);

  ASSERT_EQ(kept.size(), DecisionLog::kMost);
  EXPECT_EQ(kept.front().get("request_id").as_string(), std::to_string(DecisionLog::kMost + 1));
  EXPECT_EQ(kept.back().get("request_id").as_string(), "2");
}

TEST(DecisionLog, PassesOverWhatWasNotPlanned) {
  DecisionLog log;
  Response waited{.finish_reason = "cancelled"}, begun = waited;
  begun.reuse.prompt_tokens = 10;

  log.add("", "req-1", waited);
  log.add("", "req-2", begun);

  EXPECT_TRUE(decisions(log).empty());
}

TEST(DecisionLog, IsReadWhileItIsWritten) {
  DecisionLog log;
  std::vector<std::thread> writers;
  for (int writer = 0; writer < 2; ++writer)
    writers.emplace_back([&log] {
      for (int number = 0; number < 200; ++number) log.add("", "req-1", planned());
    });

  for (int look = 0; look < 50; ++look) EXPECT_LE(decisions(log).size(), DecisionLog::kMost);
  for (std::thread& writer : writers) writer.join();

  EXPECT_EQ(decisions(log).size(), DecisionLog::kMost);
}

}  // namespace
}  // namespace kvs::test
