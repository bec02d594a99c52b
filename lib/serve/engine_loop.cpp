#include "serve/engine_loop.h"

#include <algorithm>
#include <chrono>
#include <exception>
#include <future>
#include <iterator>
#include <limits>
#include <optional>
#include <span>
#include <utility>

#include "kvs/error.h"
#include "serve/followers.h"

namespace kvs {
namespace {

constexpr std::chrono::milliseconds kCopyPause{1};
constexpr std::chrono::milliseconds kIdlePause{500};
constexpr int64_t kLikelyTokens = 256;  // of an answer
constexpr int64_t kAllRows = std::numeric_limits<int64_t>::max();
constexpr int kMaxLooks = 64;                             // see rows_to_wait_for()
constexpr const char* kFailed = "the engine has failed";  // why is the operator's to know

int64_t blocks_for(int64_t tokens) {
  return (tokens + kBlockTokens - 1) / kBlockTokens + 1;
}

Response ended(const Task& task, const char* reason, std::string error) {
  return {.id = task.id, .finish_reason = reason, .error = std::move(error)};
}

}  // namespace

EngineLoop::EngineLoop(Engine& engine, Options options)
    : engine_(engine),
      options_(std::move(options)),
      room_(options_.max_waiting),
      order_(options_.schedule) {
  publish();
  thread_ = std::thread([this] { run(); });
}

EngineLoop::~EngineLoop() {
  stop({});
}

bool EngineLoop::stop(std::chrono::steady_clock::time_point end) {
  ending_ = true;
  {
    const std::lock_guard lock(mutex_);
    if (!std::exchange(stop_, true)) end_ = end;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
  return written_;
}

bool EngineLoop::submit(std::vector<Job> jobs) {
  {
    const std::lock_guard lock(mutex_);
    const auto count = static_cast<int64_t>(jobs.size());
    if (jobs.empty()) return true;
    if (stop_ || !room_.has(jobs.front().tenant, count)) return false;
    for (const Job& job : jobs) room_.take(job.tenant, 1);
    inbox_.insert(inbox_.end(), std::make_move_iterator(jobs.begin()),
                  std::make_move_iterator(jobs.end()));
  }
  wake_.notify_all();
  return true;
}

void EngineLoop::set_quotas(std::map<std::string, int64_t> bytes) {
  ask([this, bytes = std::move(bytes)] {
    if (failure_.empty()) engine_.donors().set_quotas(bytes);
  });
}

std::optional<std::vector<ForgottenDonors>> EngineLoop::forget(DonorFilter which) {
  using Work = std::packaged_task<std::vector<ForgottenDonors>()>;
  const auto work = std::make_shared<Work>([this, which = std::move(which)] {
    if (!failure_.empty()) fail(ErrorKind::device, "{}", kFailed);
    std::vector<ForgottenDonors> forgotten = engine_.forget(which);
    publish();  // whoever looks next finds them gone
    return forgotten;
  });
  std::future<std::vector<ForgottenDonors>> forgotten = work->get_future();
  if (!ask([work] { (*work)(); })) return std::nullopt;
  return forgotten.get();
}

bool EngineLoop::ask(std::function<void()> work) {
  {
    const std::lock_guard lock(mutex_);
    if (stop_) return false;
    asked_.push_back(std::move(work));
  }
  wake_.notify_all();
  return true;
}

void EngineLoop::do_asked() {
  std::vector<std::function<void()>> asked;
  {
    const std::lock_guard lock(mutex_);
    asked.swap(asked_);
  }
  for (const std::function<void()>& work : asked) work();
}

LoopState EngineLoop::state() const {
  const std::lock_guard lock(mutex_);
  LoopState state = state_;
  state.waiting = room_.taken();
  return state;
}

void EngineLoop::run() {
  for (;;) {
    {
      std::unique_lock lock(mutex_);
      // What the tiers are to do or have to say is seen soon in any case.
      wake_.wait_for(lock, pause(), [&] {
        return stop_ || !inbox_.empty() || !asked_.empty() || !waiting_.empty() || !active_.empty();
      });
      if (stop_) break;
    }
    do_asked();
    take_jobs();
    drop_unwanted();
    begin_jobs();
    publish();  // a pass may take long
    step();
    publish();
  }
  do_asked();  // somebody waits for it
  take_jobs();
  while (failure_.empty() && !active_.empty())
    step();  // nobody is wanted any more: they end at once
  give_up({});
  publish();
  if (failure_.empty()) finish_tiers();
}

void EngineLoop::finish_tiers() {
  const auto left = end_ - std::chrono::steady_clock::now();
  const auto most = std::chrono::duration_cast<std::chrono::milliseconds>(left);
  written_ = engine_.donors().finish_tiers(std::max(most, std::chrono::milliseconds(0)));
}

std::chrono::milliseconds EngineLoop::pause() const {
  if (computing_) return {};
  return copying_ ? kCopyPause : kIdlePause;
}

void EngineLoop::take_jobs() {
  std::vector<Job> jobs;
  {
    const std::lock_guard lock(mutex_);
    jobs.swap(inbox_);
  }
  int looks = kMaxLooks;
  for (Job& job : jobs) {
    const Ticket ticket = order_.add(job.tenant, std::ssize(job.task.tokens));
    Waiting& added = waiting_[ticket] = {.job = std::move(job)};
    for (const Active& active : active_) follow(ticket, added, active, looks);
  }
}

void EngineLoop::drop_unwanted() {
  for (auto next = waiting_.begin(); next != waiting_.end();) {
    const auto [ticket, waiting] = std::pair(next->first, &next->second);
    ++next;
    if (waiting->job.channel->wanted()) continue;
    finish(waiting->job, ended(waiting->job.task, "cancelled", ""));
    order_.remove(ticket);
    left_.push_back(waiting->job.tenant);
    waiting_.erase(ticket);
  }
}

// Where the next one does not fit, nobody else is begun in its place: it would wait for ever.
void EngineLoop::begin_jobs() {
  if (computing_ && options_.exactify == Exactify::always) return;
  if (static_cast<int>(active_.size()) < engine_.options().parallel) estimate_some();
  while (static_cast<int>(active_.size()) < engine_.options().parallel) {
    const std::optional<Ticket> next = order_.next();
    if (!next) break;
    const int64_t blocks = blocks_needed(waiting_.at(*next).job.task);
    if (!active_.empty() && reserved_ + blocks > engine_.pool().max_blocks()) break;
    begin(*next);
  }
}

// A job waits for one leader only, lest there be ever another one.
void EngineLoop::follow(Ticket ticket, Waiting& waiting, const Active& leader, int& looks) {
  if (!options_.followers || waiting.waited || !leader.in_prompt) return;
  waiting.needs = rows_to_wait_for({leader.job.task, leader.text}, waiting.job.task, looks);
  if (waiting.needs == 0) return;
  waiting.waited = true;
  waiting.leader = leader.ticket;
  order_.hold(ticket, true);
}

void EngineLoop::let_followers_go(Ticket leader, int64_t rows) {
  for (auto& [ticket, waiting] : waiting_) {
    if (waiting.leader != leader || waiting.needs > rows) continue;
    waiting.leader = 0;
    order_.hold(ticket, false);
  }
}

bool EngineLoop::has_followers(Ticket leader, int64_t rows) const {
  return std::ranges::any_of(waiting_, [&](const auto& entry) {
    return entry.second.leader == leader && entry.second.needs <= rows;
  });
}

void EngineLoop::note_new_donor(const std::string& partition) {
  for (auto& [ticket, waiting] : waiting_)
    if (waiting.job.task.tenant == partition) waiting.stale = true;
}

// A few at a time, because each look at the donors keeps the answers waiting that are under way;
// until a job's turn to be looked at comes, it counts as if nothing could be reused.
void EngineLoop::estimate_some() {
  constexpr int kAtATime = 8;
  if (!order_.has_choice()) return;
  int estimates = 0;
  auto next = waiting_.upper_bound(estimated_);
  for (size_t seen = 0; seen < waiting_.size() && estimates < kAtATime; ++seen) {
    if (next == waiting_.end()) next = waiting_.begin();
    auto& [ticket, waiting] = *next++;
    if (!std::exchange(waiting.stale, false)) continue;
    order_.expect(ticket, rows_to_compute(waiting.job.task));
    estimated_ = ticket;
    ++estimates;
  }
}

int64_t EngineLoop::rows_to_compute(const Task& task) {
  try {
    return std::ssize(engine_.plan(task).rows_to_compute());
  } catch (const std::exception&) {  // which the task itself will meet, and report
    return std::ssize(task.tokens);
  }
}

// With room for donors' blocks that are shared in part only. Few answers are as long as they may
// be; where too many are, the engine lets some of them make way.
int64_t EngineLoop::blocks_needed(const Task& task) const {
  const auto prompt = static_cast<int64_t>(task.tokens.size());
  return blocks_for(prompt + std::min(task.max_tokens, kLikelyTokens)) + blocks_for(prompt);
}

void EngineLoop::begin(Ticket ticket) {
  Job job = std::move(waiting_.extract(ticket).mapped().job);
  const int64_t blocks = blocks_needed(job.task), work = order_.take(ticket);
  const auto active = active_.insert(active_.end(), Active{std::move(job), ticket, work, blocks});
  active->text.add(0, active->job.task.tokens);
  reserved_ += blocks;
  left_.push_back(active->job.tenant);
  if (options_.on_begin) options_.on_begin(active->job);
  int looks = kMaxLooks;
  for (auto& [later, waiting] : waiting_) follow(later, waiting, *active, looks);
  const auto done = [this, active](Response response) { end(active, std::move(response)); };
  try {
    engine_.submit(task_of(active), done);
  } catch (const std::exception& e) {
    done(ended(active->job.task, "error", e.what()));
  }
}

// What it took is known now: its tenant is given that. A token of an answer counts as two rows of a
// prompt, as in the source of TurnOrder.
void EngineLoop::end(std::list<Active>::iterator active, Response response) {
  const ReuseReport& reuse = response.reuse;
  const int64_t work = reuse.recomputed + reuse.computed + 2 * std::ssize(response.tokens);
  order_.correct(active->job.tenant, work - active->work);
  if (active->job.task.store) note_new_donor(active->job.task.tenant);
  let_followers_go(active->ticket, kAllRows);
  finish(active->job, std::move(response));
  reserved_ -= active->blocks;
  active_.erase(active);
}

void EngineLoop::finish(const Job& job, Response response) {
  if (options_.on_end) options_.on_end(job, response);
  job.channel->finish(job.choice, std::move(response));
}

Task EngineLoop::task_of(std::list<Active>::iterator active) {
  const Job& job = active->job;
  Task task = job.task;
  task.exactify = options_.exactify != Exactify::off && task.store;
  const std::shared_ptr<AnswerChannel> channel = job.channel;
  const int choice = job.choice;
  task.on_text = [channel, choice](std::string_view text) {
    channel->add_text(choice, text);
    return true;
  };
  if (job.top_logprobs >= 0)
    task.on_token = [channel, choice, top = job.top_logprobs](int32_t token, auto logits) {
      channel->add_token(choice, logprobs_of(logits, token, top));
    };
  task.wanted = [this, channel] { return !ending_ && channel->wanted(); };
  task.keeps_up = [channel] { return channel->keeps_up(); };
  // Its approximate rows serve nobody else, and others may do as it does.
  task.on_plan = [this, active](const ReusePlan& plan) {
    if (plan.kept() == 0) return;
    active->in_prompt = false;
    let_followers_go(active->ticket, kAllRows);
  };
  task.on_rows = [this, active](const LayeredView& view, int64_t rows) {
    if (has_followers(active->ticket, rows)) share_rows(*active, view, rows);
  };
  task.on_prompt = [this, active](const LayeredView& view) {
    active->in_prompt = false;
    share_rows(*active, view, view.size());
  };
  return task;
}

void EngineLoop::share_rows(const Active& active, const LayeredView& view, int64_t rows) {
  const Task& task = active.job.task;
  if (task.store) {
    std::vector<int32_t> tokens(task.tokens.begin(), task.tokens.begin() + rows);
    engine_.donors().add(task.id, task.tenant, std::move(tokens), view.top(),
                         DonorStore::kUnknownDepth, task.owner);
    note_new_donor(task.tenant);
  }
  let_followers_go(active.ticket, rows);
}

void EngineLoop::step() {
  if (!failure_.empty()) return give_up(kFailed);
  try {
    if (!active_.empty()) engine_.step();
    const bool may = waiting_.empty() || options_.exactify == Exactify::always;
    computing_ = active_.empty() && may && engine_.exactify_step();
    copying_ = engine_.donors().work_on_tiers();
    for (const std::string& warning : engine_.donors().take_warnings())
      if (options_.warn) options_.warn(warning);
  } catch (const std::exception& e) {
    failure_ = e.what();
    if (options_.warn) options_.warn(failure_);
    give_up(kFailed);
  }
}

// Whatever is under way ends here, with a message where that is the engine's fault; the engine may
// still hold tasks, but is not asked again.
void EngineLoop::give_up(const std::string& message) {
  for (Active& active : active_) finish(active.job, ended(active.job.task, "cancelled", message));
  for (auto& [ticket, waiting] : waiting_) {
    finish(waiting.job, ended(waiting.job.task, "cancelled", message));
    left_.push_back(waiting.job.tenant);
    order_.remove(ticket);
  }
  active_.clear();
  waiting_.clear();
  reserved_ = 0;
}

void EngineLoop::publish() {
  const std::lock_guard lock(mutex_);
  state_.active = static_cast<int64_t>(active_.size());
  for (const std::string& tenant : std::exchange(left_, {})) room_.leave(tenant);
  state_.blocks_in_use = engine_.pool().blocks_in_use();
  state_.max_blocks = engine_.pool().max_blocks();
  state_.donors = engine_.donors().size();
  state_.published = engine_.donors().published();
  state_.preemptions = engine_.preemptions();
  state_.evictions = engine_.donors().evictions();
  state_.background = engine_.background();
  state_.tiers = engine_.donors().tiers();
  state_.failure = failure_;
}

}  // namespace kvs
