#include "tools/compute_options.h"

#include <algorithm>
#include <string_view>

#include "tools/message.h"

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
  options.backend.note = [](std::string_view reason) { explain("{}", reason); };
  const auto device = [](const std::string& text) {
    return is_device(text) ? std::string() : "expected auto, cpu, cuda or cuda:N, found " + text;
  };
  app.add_option("--device", options.backend.device, "Where to compute: auto, cpu, cuda or cuda:N")
      ->check(device)
      ->type_name("DEVICE")
      ->capture_default_str();
  app.add_option("--threads", options.backend.threads,
                 "Threads to compute with; 0 is one for each core")
      ->check(CLI::Range(0, kMaxThreads))
      ->type_name("N")
      ->capture_default_str();
  app.add_option("--cpu", options.backend.cpu_level,
                 "Instructions to compute with on the CPU, for tests")
      ->check(CLI::IsMember({"auto", "avx512", "avx2", "portable"}))
      ->capture_default_str();
  app.add_flag(
      "--deterministic", options.backend.deterministic,
      "Let no result depend on what is computed at the same time: the CPU's never do, CUDA "
      "cannot yet");
  app.add_option_function<std::string>(
         "--compute",
         [&options](const std::string& name) {
           options.compute = name == "f32" ? Compute::f32 : Compute::bf16;
         },
         "Arithmetic of weights and activations")
      ->check(CLI::IsMember({"bf16", "f32"}))
      ->default_str("bf16");
}

CLI::Option* add_model_option(CLI::App& app, std::string& model) {
  return app
      .add_option("-m,--model", model,
                  "GGUF file, Hugging Face directory, installed name or random:SHAPE")
      ->type_name("MODEL");
}

}  // namespace kvs
