#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "kvs/engine.h"
#include "kvs/fingerprint_index.h"
#include "serve/answer_channel.h"
#include "serve/queue_room.h"
#include "serve/turn_order.h"

namespace kvs {

/// One choice of an answer to be made.
struct Job {
  Task task;  ///< its callbacks are the loop's
  std::shared_ptr<AnswerChannel> channel;
  std::string tenant{};  ///< whose turn it takes; task.tenant is only whose rows it may reuse
  int choice = 0;
  int top_logprobs = -1;  ///< rivals of each token to report; below 0: no logprobs at all
  std::chrono::steady_clock::time_point arrived{};  ///< its request
  std::string request_id{};                         ///< by which the log knows it
};

/// What the loop is doing, for whoever watches.
struct LoopState {
  int64_t waiting = 0;  ///< jobs not begun
  int64_t active = 0;   ///< jobs being worked on
  int64_t blocks_in_use = 0;
  int64_t max_blocks = 0;
  int64_t donors = 0;
  int64_t published = 0;  ///< of the donors
  int64_t preemptions = 0;
  DonorEvictions evictions{};
  BackgroundWork background{};
  std::vector<TierState> tiers{};
  std::string failure{};  ///< of a forward pass: nothing is answered any more
};

/// Owns an engine's thread: takes jobs from any thread, works on as many together as there is
/// memory for, in the order that TurnOrder describes, and sends what comes of them through their
/// channels. A prompt of which at least half is in one that is being computed waits for these rows,
/// once, and then shares them, if there may be followers; where they are the beginning of both, it
/// does not wait for what stands behind them.
class EngineLoop {
 public:
  struct Options {
    int64_t max_waiting = 256;
    Schedule schedule = Schedule::work;
    bool followers = true;  ///< see below
    Exactify exactify = Exactify::idle;
    // From the loop's thread; may be empty.
    std::function<void(std::string_view)> warn{};
    std::function<void(const Job&)> on_begin{};  ///< a job's turn has come
    /// A job has ended, whether or not anybody is there to read how.
    std::function<void(const Job&, const Response&)> on_end{};
  };

  /// The engine must outlive the loop; until then nobody else may use it, check() excepted.
  EngineLoop(Engine& engine, Options options);
  ~EngineLoop();  ///< stops, and leaves unwritten what is not written yet
  EngineLoop(const EngineLoop&) = delete;
  EngineLoop& operator=(const EngineLoop&) = delete;

  /// Ends everything under way, behind the pass that is being computed; from here on nothing is
  /// taken. Waits until all donors are written to their tiers, or until `end`; whether all are.
  bool stop(std::chrono::steady_clock::time_point end);
  bool stopped() const { return ending_; }

  /// Takes all of an answer's jobs, mostly one tenant's, or, where the queue is full or the loop
  /// has stopped, none; QueueRoom says who finds room in a full one. Their tasks must have passed
  /// Engine::check().
  bool submit(std::vector<Job> jobs);

  /// DonorStore::set_quotas(), between two passes from here on.
  void set_quotas(std::map<std::string, int64_t> bytes);

  /// DonorStore::forget(), between two passes: waits for it. Nothing where the loop has stopped;
  /// throws Error(device) where the engine has failed. Prompts under way may leave donors later.
  std::optional<std::vector<ForgottenDonors>> forget(DonorFilter which);

  LoopState state() const;

 private:
  using Ticket = TurnOrder::Ticket;
  struct Waiting {
    Job job;
    Ticket leader = 0;    // for whose rows it waits; 0: none's
    int64_t needs = 0;    // of these rows, from the first one on
    bool waited = false;  // for a leader
    bool stale = true;    // its work is to be estimated, with the donors there are now
  };
  struct Active {
    Job job;
    Ticket ticket = 0;
    int64_t work = 0;       // expected
    int64_t blocks = 0;     // reserved
    bool in_prompt = true;  // its rows are still being computed
    FingerprintIndex text{};
  };

  void run();
  bool ask(std::function<void()> work);
  void do_asked();
  void take_jobs();
  void drop_unwanted();
  void begin_jobs();
  void follow(Ticket ticket, Waiting& waiting, const Active& leader, int& looks);
  bool has_followers(Ticket leader, int64_t rows) const;
  void let_followers_go(Ticket leader, int64_t rows);
  void note_new_donor(const std::string& partition);
  void estimate_some();
  int64_t rows_to_compute(const Task& task);
  int64_t blocks_needed(const Task& task) const;
  void begin(Ticket ticket);
  void end(std::list<Active>::iterator active, Response response);
  void finish(const Job& job, Response response);
  Task task_of(std::list<Active>::iterator active);
  void share_rows(const Active& active, const LayeredView& view, int64_t rows);
  void step();
  void finish_tiers();
  std::chrono::milliseconds pause() const;
  void give_up(const std::string& message);
  void publish();

  Engine& engine_;
  Options options_;
  mutable std::mutex mutex_;  // guards the next ones, up to end_
  std::condition_variable wake_;
  std::vector<Job> inbox_;
  std::vector<std::function<void()>> asked_;  // to be done in the thread
  QueueRoom room_;                            // for jobs not begun
  LoopState state_;
  bool stop_ = false;
  std::chrono::steady_clock::time_point end_{};  // behind stop_
  std::atomic<bool> ending_ = false;

  // The thread's own.
  std::map<Ticket, Waiting> waiting_;
  std::vector<std::string> left_;  // tenants of jobs that wait no more, each time
  TurnOrder order_;
  Ticket estimated_ = 0;  // last
  std::list<Active> active_;
  int64_t reserved_ = 0;    // blocks
  std::string failure_;     // of the engine
  bool written_ = true;     // all donors, in the end
  bool copying_ = false;    // rows wait to be copied to a tier
  bool computing_ = false;  // what nobody waits for
  std::thread thread_;
};

}  // namespace kvs
