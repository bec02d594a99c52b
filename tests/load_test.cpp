#include "kvs/load.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <sstream>
#include <thread>

#include "support/errors.h"

namespace kvs::test {
namespace {

using std::chrono::milliseconds;

// Answers with two pieces of text; what the body says fails.
class FakeServer {
 public:
  class Client final : public ApiClient {
   public:
    explicit Client(FakeServer& server) : server_(server) {}
    std::vector<std::string> models(const std::string&) override { return {"fake"}; }
    ApiReply generate(const Json& body, const std::string&,
                      const std::function<bool(std::string_view)>& on_text) override {
      return server_.answer(body, on_text, stopped_);
    }
    void stop() override { stopped_ = true; }

   private:
    FakeServer& server_;
    std::atomic<bool> stopped_ = false;
  };

  std::function<std::unique_ptr<ApiClient>()> open() {
    return [this] { return std::make_unique<Client>(*this); };
  }

  std::atomic<int> active = 0, most = 0;
  bool hangs = false;

 private:
  ApiReply answer(const Json& body, const std::function<bool(std::string_view)>& on_text,
                  const std::atomic<bool>& stopped) {
    const int now = ++active;
    for (int seen = most; now > seen && !most.compare_exchange_weak(seen, now);) continue;
    std::this_thread::sleep_for(milliseconds(2));
    while (hangs && !stopped) std::this_thread::sleep_for(milliseconds(1));
    ApiReply reply{.status = 200, .usage = ApiUsage{100, 3, 40}};
    if (hangs) reply.error = "cancelled";
    if (const Json* error = body.find("error")) reply.error = error->as_string();
    if (reply.error.empty())
      for (int piece = 0; piece < 2; ++piece) {
        on_text("x");
        std::this_thread::sleep_for(milliseconds(1));
      }
    --active;
    return reply;
  }
};

std::vector<LoadRequest> requests(int count, double gap_ms = 0) {
  std::vector<LoadRequest> list(count);
  for (int i = 0; i < count; ++i) {
    list[i].id = std::to_string(i);
    list[i].arrival_ms = 500 + i * gap_ms;
    list[i].body = Json::Object{};
  }
  return list;
}

TEST(LoadArrivals, ArePoissonAndTheSameForASeed) {
  const auto list = requests(4000);

  const std::vector<double> arrivals = load_arrivals(list, {.rate = 20, .seed = 3});

  ASSERT_EQ(arrivals.size(), 4000u);
  EXPECT_TRUE(std::is_sorted(arrivals.begin(), arrivals.end()));
  EXPECT_NEAR(arrivals.back(), 4000 * 50.0, 4000 * 2.5);  // three deviations
  int short_gaps = 0;                                     // the share below the mean is 1 - 1/e
  for (size_t i = 1; i < arrivals.size(); ++i) short_gaps += arrivals[i] - arrivals[i - 1] < 50;
  EXPECT_NEAR(short_gaps / 4000.0, 0.632, 0.025);
  EXPECT_EQ(load_arrivals(list, {.rate = 20, .seed = 3}), arrivals);
  EXPECT_NE(load_arrivals(list, {.rate = 20, .seed = 4}), arrivals);
}

TEST(LoadArrivals, AreTheWorkloadsOwnUpToTheDuration) {
  const auto list = requests(10, 100);

  EXPECT_EQ(load_arrivals(list, {.speed = 2}),
            (std::vector<double>{0, 50, 100, 150, 200, 250, 300, 350, 400, 450}));
  EXPECT_EQ(load_arrivals(list, {.speed = 2, .duration_s = 0.1}),
            (std::vector<double>{0, 50, 100}));
  EXPECT_TRUE(load_arrivals(list, {.concurrency = 2}).empty());
}

TEST(Load, SendsEveryRequestOnceAndKeepsTheOrder) {
  FakeServer server;

  const auto samples = run_load(requests(60), {.rate = 2000}, server.open());

  ASSERT_EQ(samples.size(), 60u);
  for (int i = 0; i < 60; ++i) {
    EXPECT_EQ(samples[i].id, std::to_string(i));
    EXPECT_TRUE(samples[i].answered());
    EXPECT_LE(samples[i].due_ms, samples[i].sent_ms);
    EXPECT_LE(samples[i].first_ms, samples[i].last_ms);
    EXPECT_LE(samples[i].last_ms, samples[i].total_ms);
  }
}

TEST(Load, AClosedLoopHasSoManyAtATime) {
  FakeServer server;

  const auto samples = run_load(requests(40), {.concurrency = 3}, server.open());

  EXPECT_EQ(samples.size(), 40u);
  EXPECT_LE(server.most, 3);
}

TEST(Load, AClosedLoopEndsAfterTheDuration) {
  FakeServer server;

  std::vector<LoadSample> samples;
  for (double seconds = 0.05; samples.empty() && seconds < 60; seconds *= 2)  // on a busy machine
    samples = run_load(requests(100'000), {.concurrency = 1, .duration_s = seconds}, server.open());

  EXPECT_GT(samples.size(), 0u);
  EXPECT_LT(samples.size(), 100'000u);
}

// All come at once and one connection serves them: each waits for all before it, and that counts.
TEST(Load, CountsFromWhenARequestCame) {
  FakeServer server;

  const auto samples = run_load(requests(10), {.speed = 1, .connections = 1}, server.open());

  for (size_t i = 1; i < samples.size(); ++i) {
    EXPECT_EQ(samples[i].due_ms, 0);
    EXPECT_GE(samples[i].first_ms, samples[i - 1].total_ms);
  }
}

TEST(Load, EndsWhenItIsTold) {
  FakeServer server{.hangs = true};
  int64_t asked = 0;

  const auto samples =
      run_load(requests(5), {.speed = 1, .on_progress = [&](int64_t) { return ++asked < 2; }},
               server.open());

  EXPECT_TRUE(samples.empty());  // what was cut off is nobody's fault
}

TEST(Load, RefusesToGuessWhenRequestsCome) {
  FakeServer server;
  EXPECT_EQ(error_of([&] { run_load(requests(1), {}, server.open()); }).kind(),
            ErrorKind::argument);
  EXPECT_EQ(error_of([&] { run_load(requests(1), {.rate = 1, .speed = 1}, server.open()); }).kind(),
            ErrorKind::argument);
}

LoadSample sample(double due, double first, double last, double total, int64_t tokens = 5) {
  return {.tenant = due < 2000 ? "a" : "b",
          .due_ms = due,
          .sent_ms = due + 1,
          .first_ms = first,
          .last_ms = last,
          .total_ms = total,
          .reply = {.status = 200, .usage = ApiUsage{100, tokens, 40}}};
}

TEST(LoadSummary, AddsUp) {
  std::vector<LoadSample> samples{sample(0, 100, 500, 600), sample(1000, 300, 300, 300, 1),
                                  sample(2000, 2000, 2400, 3000)};
  samples.push_back(sample(2500, 1, 1, 1));
  samples.back().reply = {.status = 429, .error = "queue_full"};

  const Json json = summarize_load(samples, 300);

  EXPECT_EQ(json.get("requests").as_int(), 4);
  EXPECT_EQ(json.get("answered").as_int(), 3);
  EXPECT_EQ(json.get("errors").dump(), R"({"queue_full":1})");
  EXPECT_EQ(json.get("seconds").as_number(), 5);
  EXPECT_EQ(json.get("tokens_per_s").as_number(), 11 / 5.0);
  EXPECT_EQ(json.get("cached_share").as_number(), 0.4);
  EXPECT_EQ(json.get("ttft_ms").get("mean").as_number(), 800);
  EXPECT_EQ(json.get("ttft_ms").get("p50").as_number(), 300);
  EXPECT_EQ(json.get("ttft_ms").get("max").as_number(), 2000);
  EXPECT_EQ(json.get("tpot_ms").dump(),
            R"({"mean":100.0,"p50":100.0,"p90":100.0,"p99":100.0,"max":100.0})");
  EXPECT_EQ(json.get("late_ms").get("max").as_number(), 1);
  EXPECT_EQ(json.get("within_limit").as_int(), 2);
  EXPECT_EQ(json.get("goodput_per_s").as_number(), 0.4);
  EXPECT_EQ(json.get("tenants").as_array().at(1).get("requests").as_int(), 2);
  EXPECT_EQ(json.get("tenants").as_array().at(1).get("answered").as_int(), 1);
}

TEST(LoadSummary, HasNoFiguresOfNothing) {
  const Json json = summarize_load({}, 1000);

  EXPECT_TRUE(json.get("ttft_ms").is_null());
  EXPECT_TRUE(json.get("tokens_per_s").is_null());
  EXPECT_TRUE(json.get("cached_share").is_null());
}

TEST(LoadSummary, CountsPiecesWhereTheServerDoesNotCount) {
  LoadSample one = sample(0, 10, 40, 50);
  one.reply.usage.reset();
  one.reply.pieces = 4;

  EXPECT_EQ(summarize_load(std::span(&one, 1), 1000).get("completion_tokens").as_int(), 4);
  EXPECT_EQ(load_sample_to_json(one).get("completion_tokens").as_int(), 4);
}

TEST(LoadRequests, BecomeBodies) {
  std::istringstream in(
      R"({"id":"q","messages":[{"role":"user","content":"Hi"}],"tenant":"t","max_tokens":9,)"
      R"("arrival_ms":7,"top_p":0.5,"stop":"."})"
      "\n"
      R"({"tokens":[1,2],"max_tokens":900})"
      "\nplain text\n");

  const auto list = read_load_requests(
      in, "w.jsonl", {.model = "m", .max_tokens = 64, .extra = Json::Object{{"cache_salt", "s"}}});

  ASSERT_EQ(list.size(), 3u);
  EXPECT_EQ(list[0].id, "q");
  EXPECT_EQ(list[0].tenant, "t");
  EXPECT_EQ(list[0].arrival_ms, 7);
  EXPECT_EQ(list[0].body.dump(),
            R"({"model":"m","messages":[{"role":"user","content":"Hi"}],"max_tokens":9,)"
            R"("temperature":0.0,"top_p":0.5,"stop":["."],"cache_salt":"s"})");
  EXPECT_EQ(list[1].body.dump(),
            R"({"model":"m","prompt":[1,2],"max_tokens":64,"temperature":0.0,"cache_salt":"s"})");
  EXPECT_EQ(list[2].body.get("prompt").as_string(), "plain text");
}

TEST(LoadRequests, NeedOne) {
  std::istringstream in("\n\n");
  EXPECT_STREQ(error_of([&] { read_load_requests(in, "w.jsonl", {}); }).what(),
               "w.jsonl: no requests");
}

TEST(LoadKeys, AreReadByTenant) {
  std::istringstream in("# who\nacme secret-1\n\nglobex secret-2\n");
  const std::map<std::string, std::string> expected{{"acme", "secret-1"}, {"globex", "secret-2"}};

  EXPECT_EQ(read_load_keys(in, "keys"), expected);
}

TEST(LoadKeys, SayWhichLineIsNone) {
  for (const char* line : {"acme", " secret", "acme ", "acme two keys"}) {
    std::istringstream in(std::string("# who\n") + line + "\n");
    EXPECT_STREQ(error_of([&] { read_load_keys(in, "keys"); }).what(),
                 "keys:2: expected 'TENANT KEY'")
        << line;
  }
  std::istringstream in("a x\na y\n");
  EXPECT_STREQ(error_of([&] { read_load_keys(in, "keys"); }).what(),
               "keys:2: tenant 'a' stands twice");
}

}  // namespace
}  // namespace kvs::test
