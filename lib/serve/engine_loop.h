#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "kvs/engine.h"
#include "serve/answer_channel.h"

namespace kvs {

/// One choice of an answer to be made.
struct Job {
  Task task;  ///< its callbacks are the loop's
  std::shared_ptr<AnswerChannel> channel;
  int choice = 0;
  int top_logprobs = -1;  ///< rivals of each token to report; below 0: no logprobs at all
};

/// What the loop is doing, for whoever watches.
struct LoopState {
  int64_t waiting = 0;  ///< jobs not begun
  int64_t active = 0;   ///< jobs being worked on
  int64_t blocks_in_use = 0;
  int64_t max_blocks = 0;
  int64_t donors = 0;
  std::vector<TierState> tiers{};
  bool failed = false;  ///< a forward pass failed; nothing is answered any more
};

/// Owns an engine's thread: takes jobs from any thread, works on as many together as there is
/// memory for, first come first served, and sends what comes of them through their channels. A
/// prompt that begins as one that is being computed waits for its rows, and then shares them.
class EngineLoop {
 public:
  struct Options {
    int64_t max_waiting = 256;
    std::function<void(std::string_view)> warn;  ///< from the loop's thread; may be empty
  };

  /// The engine must outlive the loop; until then nobody else may use it, check() excepted.
  EngineLoop(Engine& engine, Options options);
  ~EngineLoop();  ///< stops
  EngineLoop(const EngineLoop&) = delete;
  EngineLoop& operator=(const EngineLoop&) = delete;

  /// Ends everything under way; from here on nothing is taken.
  void stop();

  /// Takes all of an answer's jobs or, where the queue is full or the loop has stopped, none. Their
  /// tasks must have passed Engine::check().
  bool submit(std::vector<Job> jobs);

  LoopState state() const;

 private:
  struct Active {
    Job job;
    int64_t blocks = 0;     // reserved
    bool in_prompt = true;  // its rows are still being computed
  };

  void run();
  void take_jobs();
  void begin_jobs();
  bool must_wait(const Job& job) const;
  int64_t blocks_needed(const Task& task) const;
  void begin(Job job);
  Task task_of(std::list<Active>::iterator active);
  void step();
  void give_up(const std::string& message);
  void publish();

  Engine& engine_;
  Options options_;
  mutable std::mutex mutex_;  // guards inbox_, queued_, state_ and stop_
  std::condition_variable wake_;
  std::vector<Job> inbox_;
  int64_t queued_ = 0;  // jobs not begun
  LoopState state_;
  bool stop_ = false;
  std::atomic<bool> ending_ = false;

  // The thread's own.
  std::deque<Job> waiting_;
  std::list<Active> active_;
  int64_t reserved_ = 0;  // blocks
  bool failed_ = false;
  bool copying_ = false;  // rows wait to be copied to a tier
  std::thread thread_;
};

}  // namespace kvs
