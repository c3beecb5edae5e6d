// What unwinding does in C++ threads: pthread_exit, cancellation and exceptions run the destructors of locals, once.
extern "C" {
#include <pthread.h>
#include <unistd.h>
}
#include <atomic>
#include <cstdio>
#include <future>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace
{

std::atomic<int> living, destroyed;

struct Local {
    Local()
    {
        ++living;
    }
    ~Local()
    {
        --living;
        ++destroyed;
    }
    Local(const Local &) = delete;
    Local &operator=(const Local &) = delete;
};

thread_local std::shared_ptr<Local> per_thread;
thread_local std::string text = "fresh";

// Used by a key's destructor first: made when the thread's other objects are gone, and not destroyed. Its memory must not
// be taken for the next thread's object either.
std::atomic<int> late_made, late_destroyed;

struct Late {
    int *own = new int(1);
    Late()
    {
        ++late_made;
    }
    ~Late()
    {
        ++late_destroyed;
        delete own;
    }
    Late(const Late &) = delete;
    Late &operator=(const Late &) = delete;
};

thread_local Late late;
pthread_key_t late_key;

__attribute__((noinline)) void deep(int depth, void *value)
{
    Local local;
    if (depth > 0)
        deep(depth - 1, value);
    else if (depth == 0)
        pthread_exit(value);
}

void *exit_deep(void *value)
{
    Local local;
    per_thread = std::make_shared<Local>();
    deep(10, value);
    return nullptr;
}

void *exit_through_catch(void *value)
{
    try {
        deep(3, value);
    } catch (...) {
        std::puts("catch (...) rethrows");
        throw;
    }
    return nullptr;
}

void *exit_in_destructor_scope(void *value)
{
    struct Exits {
        void *value;
        ~Exits() noexcept(false)
        {
            pthread_exit(value);
        }
    } exits{value};
    Local local;
    return nullptr;
}

std::atomic<bool> ready;

void *wait_cancel(void *)
{
    Local local;
    per_thread = std::make_shared<Local>();
    ready = true;
    for (;;)
        pause();
}

void *throw_and_catch(void *value)
{
    if (text != "fresh" || per_thread)
        std::puts("not fresh");
    text = "used, and long enough for memory of its own";
    per_thread = std::make_shared<Local>();
    try {
        Local local;
        throw std::runtime_error("x");
    } catch (const std::exception &) {
        if (std::uncaught_exceptions() != 0)
            std::puts("uncaught exceptions");
        return value;
    }
}

void use_late(void *)
{
    if (++*late.own != 2)
        std::puts("used already");
}

void *use_late_or_early(void *value)
{
    if (value)
        *late.own = 1;
    else
        pthread_setspecific(late_key, &late_key);
    return value;
}

void *join(void *(*run)(void *), void *value)
{
    pthread_t thread;
    void *result = nullptr;
    if (pthread_create(&thread, nullptr, run, value) != 0 || pthread_join(thread, &result) != 0)
        std::puts("no thread");
    return result;
}

void say(const char *what, void *result)
{
    std::printf("%s: result %ld, living %d, destroyed %d\n", what, reinterpret_cast<long>(result), living.load(),
                destroyed.exchange(0));
}

void *as_pointer(long value)
{
    return reinterpret_cast<void *>(value);
}

void late_objects()
{
    for (long i = 0; i < 30; i++)
        join(use_late_or_early, as_pointer(i % 3 == 0));
    std::printf("late objects: %d made, %d destroyed\n", late_made.load(), late_destroyed.load());
}

void standard_library()
{
    long sum = 0;
    for (int i = 0; i < 200; i++) {
        sum += std::async(std::launch::async, [i] { return text == "fresh" ? i : 1000000; }).get();
        std::thread([&] { text = "used"; }).join();
    }
    std::vector<std::future<int>> futures;
    for (int i = 0; i < 50; i++)
        futures.push_back(std::async(std::launch::async, [i]() -> int {
            if (i % 2)
                throw std::runtime_error("odd");
            return i;
        }));
    int odd = 0;
    for (auto &future : futures)
        try {
            sum += future.get();
        } catch (const std::runtime_error &) {
            odd++;
        }
    std::promise<int> promise;
    std::thread([&] { promise.set_value_at_thread_exit(7); }).detach();
    sum += promise.get_future().get();
    std::printf("sum %ld, exceptions %d\n", sum, odd);
}

} // namespace

int main()
{
    std::setvbuf(stdout, nullptr, _IOLBF, 0);
    alarm(60);
    pthread_key_create(&late_key, use_late);
    for (int round = 0; round < 3; round++) {
        say("exit deep", join(exit_deep, as_pointer(3)));
        say("exit through catch", join(exit_through_catch, as_pointer(4)));
        say("exit in a destructor", join(exit_in_destructor_scope, as_pointer(5)));
        for (int i = 0; i < 5; i++)
            say("throw and catch", join(throw_and_catch, as_pointer(6)));
        pthread_t thread;
        void *result = nullptr;
        ready = false;
        if (pthread_create(&thread, nullptr, wait_cancel, nullptr) != 0)
            return 1;
        while (!ready)
            usleep(1000);
        pthread_cancel(thread);
        pthread_join(thread, &result);
        say("cancelled", result);
        standard_library();
        late_objects();
    }
}
