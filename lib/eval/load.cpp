#include "kvs/load.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <random>
#include <thread>
#include <utility>

#include "kvs/error.h"

namespace kvs {
namespace {

using Clock = std::chrono::steady_clock;
using Milliseconds = std::chrono::duration<double, std::milli>;

constexpr std::chrono::milliseconds kTick{100};  // between two calls of on_progress

// Above 0 and at most 1; the distributions of the standard library differ between libraries.
double uniform(std::mt19937_64& random) {
  return (static_cast<double>(random() >> 11) + 1) * 0x1p-53;
}

void check(const LoadOptions& options) {
  const int chosen = (options.rate > 0) + (options.speed > 0) + (options.concurrency > 0);
  if (chosen != 1)
    fail(ErrorKind::argument, "load: expected one of a rate, a speed and a concurrency, found {}",
         chosen);
  if (options.connections < 1)
    fail(ErrorKind::argument, "load: {} connections, expected at least 1", options.connections);
}

// A load while it runs: a thread for each connection, which takes the next request, waits until
// that comes, sends it, and waits for the answer.
class LoadRun {
 public:
  LoadRun(std::span<const LoadRequest> requests, const LoadOptions& options)
      : requests_(requests), options_(options), arrivals_(load_arrivals(requests, options)) {
    if (options.concurrency == 0) requests_ = requests_.first(arrivals_.size());
    samples_.resize(requests_.size());
  }

  std::vector<LoadSample> run(const std::function<std::unique_ptr<ApiClient>()>& open) {
    const size_t most = options_.concurrency > 0 ? options_.concurrency : options_.connections;
    for (size_t i = 0; i < std::min(most, requests_.size()); ++i) clients_.push_back(open());
    std::vector<std::jthread> threads;
    threads.reserve(clients_.size());
    for (const auto& client : clients_) threads.emplace_back([&] { work(*client); });
    watch();
    threads.clear();  // joins
    std::vector<LoadSample> samples;
    for (std::optional<LoadSample>& sample : samples_)
      if (sample) samples.push_back(*std::move(sample));
    return samples;
  }

 private:
  double now_ms() const { return Milliseconds(Clock::now() - start_).count(); }

  // Ends what is under way where the caller wants no more.
  void watch() {
    std::unique_lock lock(mutex_);
    while (!changed_.wait_for(lock, kTick, [&] { return idle_ == clients_.size(); })) {
      if (!options_.on_progress) continue;
      const int64_t answered = answered_;
      lock.unlock();
      const bool go_on = options_.on_progress(answered);
      lock.lock();
      if (go_on) continue;
      stopped_ = true;
      changed_.notify_all();
      for (const auto& client : clients_) client->stop();
    }
    if (options_.on_progress) options_.on_progress(answered_);
  }

  void work(ApiClient& client) {
    std::unique_lock lock(mutex_);
    while (const std::optional<size_t> index = next(lock)) {
      const double due = arrivals_.empty() ? now_ms() : arrivals_[*index];
      lock.unlock();
      LoadSample sample = ask(client, requests_[*index], due);
      lock.lock();
      if (stopped_ && sample.reply.error == "cancelled") continue;
      samples_[*index] = std::move(sample);
      ++answered_;
    }
    ++idle_;
    changed_.notify_all();
  }

  // The next request, when it has come; nothing where there is none.
  std::optional<size_t> next(std::unique_lock<std::mutex>& lock) {
    const bool over =
        arrivals_.empty() && options_.duration_s > 0 && now_ms() >= options_.duration_s * 1000;
    if (stopped_ || over || taken_ == requests_.size()) return std::nullopt;
    const size_t index = taken_++;
    if (arrivals_.empty()) return index;
    const auto due =
        start_ + std::chrono::duration_cast<Clock::duration>(Milliseconds(arrivals_[index]));
    if (changed_.wait_until(lock, due, [&] { return stopped_; })) return std::nullopt;
    return index;
  }

  LoadSample ask(ApiClient& client, const LoadRequest& request, double due_ms) const {
    LoadSample sample{.id = request.id, .tenant = request.tenant, .due_ms = due_ms};
    sample.sent_ms = now_ms();
    sample.reply = client.generate(request.body, request.key, [&](std::string_view) {
      sample.last_ms = now_ms() - due_ms;
      if (sample.first_ms == 0) sample.first_ms = sample.last_ms;
      return true;
    });
    sample.total_ms = now_ms() - due_ms;
    if (sample.first_ms == 0) sample.first_ms = sample.last_ms = sample.total_ms;
    return sample;
  }

  std::span<const LoadRequest> requests_;
  const LoadOptions& options_;
  std::vector<double> arrivals_;  // empty in a closed loop
  std::vector<std::unique_ptr<ApiClient>> clients_;
  const Clock::time_point start_ = Clock::now();

  std::mutex mutex_;  // guards what follows
  std::condition_variable changed_;
  std::vector<std::optional<LoadSample>> samples_;
  size_t taken_ = 0;
  size_t idle_ = 0;  // threads that are done
  int64_t answered_ = 0;
  bool stopped_ = false;
};

}  // namespace

std::vector<double> load_arrivals(std::span<const LoadRequest> requests,
                                  const LoadOptions& options) {
  check(options);
  std::vector<double> arrivals;
  if (options.concurrency > 0 || requests.empty()) return arrivals;
  std::mt19937_64 random(options.seed);
  const double first = requests.front().arrival_ms;
  double time = 0;
  for (const LoadRequest& request : requests) {
    if (options.rate > 0)
      time += -std::log(uniform(random)) / options.rate * 1000;
    else
      time = (request.arrival_ms - first) / options.speed;
    if (options.duration_s > 0 && time > options.duration_s * 1000) break;
    arrivals.push_back(time);
  }
  return arrivals;
}

std::vector<LoadSample> run_load(std::span<const LoadRequest> requests, const LoadOptions& options,
                                 const std::function<std::unique_ptr<ApiClient>()>& open) {
  return LoadRun(requests, options).run(open);
}

}  // namespace kvs
