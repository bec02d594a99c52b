#include "kvs/response.h"

#include <gtest/gtest.h>

namespace kvs::test {
namespace {

TEST(Response, HasTheKeysOfItsContract) {
  Response response{.id = "7", .text = "Hi", .tokens = {3, 4}, .finish_reason = "stop"};
  response.reuse = {.mode = ReuseMode::approx,
                    .policy = Policy::naive,
                    .prompt_tokens = 10,
                    .exact = 4,
                    .shifted = 3,
                    .recomputed = 1,
                    .computed = 2,
                    .computed_share = 0.3,
                    .donors = {{"d", 0.5, 7}},
                    .ttft_ms = 1.23456};

  EXPECT_EQ(response_to_json(response).dump(),
            R"({"id":"7","text":"Hi","tokens":[3,4],"finish_reason":"stop","kvshare":{)"
            R"("mode":"approx","policy":"naive","budget":null,"prompt_tokens":10,"exact":4,)"
            R"("shifted":3,"fuzzy":0,"recomputed":1,"computed":2,"computed_share":0.3,)"
            R"("donors":[{"id":"d","similarity":0.5,"tokens":7}],"reason":null,)"
            R"("lookup_ms":0.0,"plan_ms":0.0,"load_ms":0.0,"ttft_ms":1.235,"tpot_ms":0.0}})");
  EXPECT_DOUBLE_EQ(response.reuse.hit_rate(), 0.7);
}

TEST(Response, SaysWhyItFailed) {
  const Response response{.id = "7", .finish_reason = "error", .error = "no"};

  EXPECT_EQ(response_to_json(response).get("error").as_string(), "no");
}

TEST(Response, HasNoHitRateWithoutAPrompt) {
  EXPECT_EQ(ReuseReport{}.hit_rate(), 0);
}

}  // namespace
}  // namespace kvs::test
