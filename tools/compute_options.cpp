#include "tools/compute_options.h"

#include <algorithm>
#include <thread>

namespace kvs {
namespace {

constexpr int kMaxThreads = 1024;

bool is_device(const std::string& text) {
  if (text == "auto" || text == "cpu" || text == "cuda") return true;
  return text.rfind("cuda:", 0) == 0 && text.size() > 5 && text.size() < 9 &&
         std::all_of(text.begin() + 5, text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

}  // namespace

void add_compute_options(CLI::App& app, ComputeOptions& options) {
  const auto device = [](const std::string& text) {
    return is_device(text) ? std::string() : "expected auto, cpu, cuda or cuda:N, found " + text;
  };
  app.add_option("--device", options.device, "Where to compute: auto, cpu, cuda or cuda:N")
      ->check(device)
      ->type_name("DEVICE")
      ->capture_default_str();
  app.add_option("--threads", options.threads, "Threads to compute with; 0 is one for each core")
      ->check(CLI::Range(0, kMaxThreads))
      ->type_name("N")
      ->capture_default_str();
  app.add_option("--cpu", options.cpu, "Instructions to compute with on the CPU, for tests")
      ->check(CLI::IsMember({"auto", "portable", "avx2", "avx512"}))
      ->type_name("LEVEL")
      ->capture_default_str();
}

CLI::Option* add_model_option(CLI::App& app, std::string& model) {
  return app
      .add_option("-m,--model", model,
                  "GGUF file, Hugging Face directory, installed name or random:SHAPE")
      ->type_name("MODEL");
}

int thread_count(const ComputeOptions& options) {
  if (options.threads > 0) return options.threads;
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

}  // namespace kvs
