#include "kvs/report.h"

#include <string>

#include "support/errors.h"

namespace kvs {
namespace {

std::string policy_json(const std::string& name, const std::string& budget, double speedup) {
  return fmt::format(
      R"({{"name":"{}","budget":{},"hit_rate":0.75,"hit_rate_similar":null,)"
      R"("reused_over":{{"10":1,"30":0.9,"50":0.8,"70":0.5,"90":0.25}},)"
      R"("ttft_ms":{{"median":120,"p95":300}},"speedup":{},"speedup_interval":[{},{}],"background_compute":0.4,)"
      R"("kl":{{"mean":0.0125,"p95":0.05}},"top1_agreement":0.99,"exact_match":0.5,)"
      R"("rouge_l_vs_full":0.875}})",
      name, budget, speedup, speedup * 0.9, speedup * 1.1);
}

std::string with_parts(const std::string& policy, const std::string& parts) {
  return policy.substr(0, policy.size() - 1) + R"(,"reused_by_position":)" + parts + "}";
}

EvaluationFile file_of(const std::string& workload = "rag") {
  const std::string text = fmt::format(
      R"({{"model":"m","machine":"box","workloads":[{{"name":"{}","requests":8,"policies":[{},{},{}],)"
      R"("noise_floor":{}}}]}})",
      workload, policy_json("full", "null", 1), policy_json("epic", "0.3", 3),
      policy_json("epic", "0.1", 5), policy_json("noise", "null", 1));
  return {.source = "run.json", .evaluation = Json::parse(text, "run.json")};
}

size_t count(const std::string& text, const std::string& part) {
  size_t found = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++found;
  return found;
}

TEST(Report, WritesTablesForTerminals) {
  const EvaluationFile file = file_of();

  EXPECT_EQ(
      make_report({&file, 1}, ReportFormat::terminal),
      "m · box\n\n"
      "rag, 8 requests\n"
      "policy         budget  hit %  similar %  TTFT ms  p95 ms          speed-up  behind %      "
      "KL  "
      "top-1 %  "
      "exact %  ROUGE-L/full\n"
      "full                -   75.0          -      120     300  1.00 (0.90-1.10)      40.0  "
      "0.0125    "
      " 99.0  "
      "   50.0         0.875\n"
      "epic             0.30   75.0          -      120     300  3.00 (2.70-3.30)      40.0  "
      "0.0125    "
      " 99.0  "
      "   50.0         0.875\n"
      "epic             0.10   75.0          -      120     300  5.00 (4.50-5.50)      40.0  "
      "0.0125    "
      " 99.0  "
      "   50.0         0.875\n"
      "(noise floor)       -   75.0          -      120     300  1.00 (0.90-1.10)      40.0  "
      "0.0125    "
      " 99.0  "
      "   50.0         0.875\n\n"
      "rag, share of the requests that reuse more\n"
      "policy  budget  isolation  hit %  similar %  > 10 %  > 30 %  > 50 %  > 70 %  > 90 %\n"
      "epic      0.30     shared   75.0          -   100.0    90.0    80.0    50.0    25.0\n"
      "epic      0.10     shared   75.0          -   100.0    90.0    80.0    50.0    25.0\n");
}

TEST(Report, TellsWhatBecameOfThePromises) {
  EvaluationFile file = file_of();
  const std::string known =
      R"("declined":2,"ttft_ratio":{"median":0.2,"p95":1.04},"bleu_vs_full":61.25,)"
      R"("bleu_vs_reference_minus_full":{"value":-0.5,"interval":[-1.25,0.25]},)"
      R"("rouge_l_vs_reference_minus_full":{"value":null,"interval":null},)"
      R"("long_similar":{"requests":5,"speedup":8.5,"kl":{"mean":0.002},"top1_agreement":0.975})";
  const std::string epic = policy_json("epic", "0.1", 5);
  file.evaluation = Json::parse(
      fmt::format(R"({{"workloads":[{{"name":"rag","requests":8,"policies":[{},{},{}]}}]}})",
                  policy_json("full", "null", 1),
                  epic.substr(0, epic.size() - 1) + "," + known + "}",
                  policy_json("naive", "null", 6)),
      "run.json");

  const std::string text = make_report({&file, 1}, ReportFormat::markdown);

  EXPECT_NE(text.find("| epic | 0.10 | 2 | 1.04 | 0.0500 | 61.2 | -0.50 (-1.25 +0.25) | - | 5 | "
                      "8.50 | 0.0020 | 97.5 |\n"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("| naive | - | - | - | 0.0500 | - | - | - | - | - | - | - |\n"),
            std::string::npos)
      << text;
}

TEST(Report, SetsIsolationsSideBySide) {
  EvaluationFile file = file_of();
  const std::string shared = file.evaluation.get("workloads").as_array()[0].dump();
  Json workloads{Json::Array{}};
  for (const char* isolation : {"shared", "private"}) {
    Json workload = Json::parse(shared, "x");
    workload.set("isolation", isolation);
    workloads.push(workload);
  }
  file.evaluation.set("workloads", workloads);
  file.details.push_back(Json::parse(
      R"({"workload":"rag","isolation":"private","policy":"epic","budget":0.1,"ttft_ms":7})", "d"));

  const std::string text = make_report({&file, 1}, ReportFormat::terminal);
  const std::string page = make_report({&file, 1}, ReportFormat::html);

  EXPECT_NE(text.find("\nrag (private), 8 requests\n"), std::string::npos);
  EXPECT_NE(text.find("\nepic      0.30     shared   75.0          -   100.0    90.0    80.0    "
                      "50.0    25.0\nepic      0.30    private   75.0"),
            std::string::npos)
      << text;
  EXPECT_EQ(count(text, "share of the requests"), 1U);
  EXPECT_EQ(count(page, ">rag (private)</text>"), 4U);    // three plots and the bars
  EXPECT_EQ(count(page, "<title>epic 0.1</title>"), 1U);  // the detail is the private one
  EXPECT_EQ(count(page, "<td>private</td>"), 2U);
}

TEST(Report, WritesTablesInMarkdown) {
  const EvaluationFile file = file_of("a|b");

  const std::string text = make_report({&file, 1}, ReportFormat::markdown);

  EXPECT_NE(text.find("### a\\|b, 8 requests\n\n| policy | budget |"), std::string::npos) << text;
  EXPECT_NE(text.find("|\n|---|---:|"), std::string::npos);
  EXPECT_NE(text.find("| epic | 0.30 | 75.0 | - | 120 | 300 | 3.00 (2.70-3.30) |"),
            std::string::npos);
}

TEST(Report, DrawsAPageThatLoadsNothing) {
  EvaluationFile file = file_of();
  for (const char* time : {"90", "110", "700"})
    file.details.push_back(Json::parse(
        fmt::format(R"({{"workload":"rag","policy":"epic","budget":0.1,"ttft_ms":{}}})", time),
        "detail"));

  const std::string page = make_report({&file, 1}, ReportFormat::html);

  EXPECT_TRUE(page.starts_with("<!DOCTYPE html>"));
  EXPECT_TRUE(page.ends_with("</html>\n"));
  EXPECT_EQ(count(page, "<svg "), 4U);  // quality, hit rates, shares, times
  EXPECT_EQ(count(page, "<svg "), count(page, "</svg>"));
  EXPECT_EQ(count(page, "http"), count(page, "http://www.w3.org/2000/svg"));
  EXPECT_EQ(count(page, "<script"), 0U);
  EXPECT_EQ(count(page, "src="), 0U);
  EXPECT_NE(page.find("<title>epic 0.1: 5.00x, KL 0.013, top-1 99.0 %</title>"), std::string::npos);
}

TEST(Report, DrawsNoTimesWithoutDetails) {
  const EvaluationFile file = file_of();

  const std::string page = make_report({&file, 1}, ReportFormat::html);

  EXPECT_EQ(count(page, "<svg "), 3U);
  EXPECT_EQ(page.find("Time to first token"), std::string::npos);
}

TEST(Report, ShowsWhereTokensAreReused) {
  const EvaluationFile file{
      .source = "run.json",
      .evaluation =
          Json::parse(R"({"workloads":[{"name":"rag","requests":8,"policies":[)" +
                          with_parts(policy_json("epic", "0.1", 5),
                                     R"({"exact":[0.5,0],"shifted":[0.25,0],"recomputed":[0,0.1],)"
                                     R"("computed":[0.25,0.9]})") +
                          "]}]}",
                      "run.json")};

  const std::string page = make_report({&file, 1}, ReportFormat::html);

  EXPECT_EQ(count(page, "<svg "), 4U);  // quality, hit rates, shares, places
  EXPECT_NE(page.find("epic 0.1: 50 % exact, 25 % shifted, 0 % recomputed, 25 % computed</title>"),
            std::string::npos);
}

TEST(Report, RefusesPlacesThatDoNotFitTogether) {
  const EvaluationFile file{
      .source = "run.json",
      .evaluation =
          Json::parse(R"({"workloads":[{"name":"rag","requests":8,"policies":[)" +
                          with_parts(policy_json("epic", "0.1", 5),
                                     R"({"exact":[0.5,0],"shifted":[0.25],"recomputed":[0,0],)"
                                     R"("computed":[0.25,1]})") +
                          "]}]}",
                      "run.json")};

  const Error error = test::error_of([&] { make_report({&file, 1}, ReportFormat::html); });

  EXPECT_STREQ(error.what(),
               "run.json: workloads[0].policies[0]: field 'reused_by_position': field 'shifted': "
               "expected 2 shares, found 1");
}

TEST(Report, JoinsTheBudgetsOfAPolicyInOrder) {
  const EvaluationFile file = file_of();

  const std::string page = make_report({&file, 1}, ReportFormat::html);

  EXPECT_LT(page.find("<title>epic 0.1:"), page.find("<title>epic 0.3:"));
}

TEST(Report, NeverTakesTextForMarkup) {
  EvaluationFile file = file_of("<img onerror=x>&amp;");

  const std::string page = make_report({&file, 1}, ReportFormat::html);

  EXPECT_EQ(page.find("<img"), std::string::npos);
  EXPECT_NE(page.find("&lt;img onerror=x&gt;&amp;amp;"), std::string::npos);
}

TEST(Report, NamesFilesWhereThereAreSeveral) {
  std::vector<EvaluationFile> files{file_of(), file_of()};
  files[1].source = "other.json";

  const std::string text = make_report(files, ReportFormat::terminal);

  EXPECT_NE(text.find("rag (run.json), 8 requests"), std::string::npos);
  EXPECT_NE(text.find("rag (other.json), 8 requests"), std::string::npos);
}

TEST(Report, ShowsTrapsAndTracesBesideWorkloads) {
  std::vector<EvaluationFile> files{file_of(), file_of(), file_of()};
  files[1] = {.source = "t.json",
              .evaluation = Json::parse(
                  R"({"model":"m","traps":{"tried":9,"pairs":4,"policies":[{"name":"naive",)"
                  R"("budget":null,"agreement":0.875,"agreement_minus_noise":{"value":-0.125,)"
                  R"("interval":[-0.25,0]},"correct":0.75,"hit_rate":0.5,"computed_share":0.5}],)"
                  R"("noise_floor":null}})",
                  "t.json")};
  files[2] = {.source = "m.json",
              .evaluation = Json::parse(
                  R"({"trace":{"name":"talks","requests":2,"tokens":9,"stores":[{"policy":"lru",)"
                  R"("bytes":1073741824,"hit_rate":0.25,"work_spared":0.2}],"unlimited":)"
                  R"({"policy":"unlimited","bytes":2147483648,"hit_rate":0.5,"work_spared":0.4}}})",
                  "m.json")};

  const std::string text = make_report(files, ReportFormat::terminal);
  const std::string page = make_report(files, ReportFormat::html);

  EXPECT_NE(text.find("\ntraps (t.json), 4 pairs of 9 tried\n"), std::string::npos) << text;
  EXPECT_NE(text.find("\nnaive        -       87.5  -12.5 (-25.0 to +0.0)       75.0   50.0        "
                      "50.0\n"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("\nlru                 1   25.0           20.0\n"), std::string::npos);
  EXPECT_EQ(count(page, "<svg "), 5U);  // three of the workload, one of each other file
  EXPECT_EQ(count(page, "<title>lru, 1 GiB: 25.0 % of the tokens, 20.0 % of the work</title>"), 1U);
  EXPECT_EQ(count(page, "<title>naive: 87.5 % as the full run, 50 % computed</title>"), 1U);
}

TEST(Report, SaysWhatIsMissing) {
  const auto message = [](const char* json) {
    const EvaluationFile file{.source = "x.json", .evaluation = Json::parse(json, "x.json")};
    const Error error = test::error_of([&] { make_report({&file, 1}, ReportFormat::html); });
    EXPECT_EQ(error.kind(), ErrorKind::format);
    return std::string(error.what());
  };

  EXPECT_EQ(message("[]"), "x.json: field 'workloads' is missing");
  EXPECT_EQ(message(R"({"workloads":[{"name":"a","requests":1}]})"),
            "x.json: workloads[0]: field 'policies' is missing");
  EXPECT_EQ(message(R"({"workloads":[{"name":"a","requests":1,"policies":[{"name":"b"}]}]})"),
            "x.json: workloads[0].policies[0]: field 'hit_rate' is missing");
  EXPECT_STREQ(test::error_of([] { make_report({}, ReportFormat::html); }).what(),
               "report: no evaluations");
  EXPECT_STREQ(test::error_of([] { report_format_from_name("pdf"); }).what(),
               "unknown format 'pdf', expected terminal, markdown or html");
}

TEST(Report, PlotsDivergenceOverTheDepthOfDonorsWhereItDiffers) {
  EvaluationFile file = file_of();
  const std::string without = make_report({&file, 1}, ReportFormat::html);
  std::string deep = policy_json("epic", "0.1", 5);
  deep.insert(deep.size() - 1, R"(,"donor_depth":2)");
  const std::string text =
      fmt::format(R"({{"workloads":[{{"name":"rag","requests":8,"policies":[{},{}]}}]}})",
                  policy_json("epic", "0.1", 5), deep);
  file.evaluation = Json::parse(text, "run.json");

  const std::string with = make_report({&file, 1}, ReportFormat::html);

  EXPECT_EQ(count(without, "<h2>Approximate donors"), 0U);
  EXPECT_EQ(count(with, "<h2>Approximate donors"), 1U);
  EXPECT_EQ(count(with, "epic 0.1 d2: KL 0.013"), 1U);
  EXPECT_NE(make_report({&file, 1}, ReportFormat::terminal).find("epic d2"), std::string::npos);
}

}  // namespace
}  // namespace kvs
