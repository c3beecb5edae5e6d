// thread_local objects in every task of a worker: made anew, destroyed in order, before keys, with their library kept.
#include <dlfcn.h>
#include <libgen.h>
#include <limits.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <clocale>
#include <cstdio>
#include <cstring>
#include <memory>
#include <set>
#include <string>
#include <vector>

namespace
{

std::atomic<int> living;
std::string *log_of_task; // what happened at the end of the task that is looked at; NULL: nobody looks

void note(const std::string &what)
{
    if (log_of_task)
        *log_of_task += what + " ";
}

struct Named {
    explicit Named(const char *its_name) : name(its_name), value(new int(7))
    {
        ++living;
    }
    ~Named()
    {
        --living;
        note(std::string("~") + name + (*value == 7 ? "" : "(dirty at start?)"));
    }
    Named(const Named &) = delete;
    Named &operator=(const Named &) = delete;
    const char *name;
    std::unique_ptr<int> value;
    int uses = 0;
};

thread_local Named first("first");
thread_local Named second("second");
thread_local std::vector<std::string> strings = {"a", "b"};
thread_local int computed = living.load() >= 0 ? 5 : 6;

pthread_key_t key;

void destroy_key(void *)
{
    note("key");
}

void *task(void *)
{
    static thread_local Named local("local");
    if (++first.uses != 1 || ++second.uses != 1 || ++local.uses != 1 || strings.size() != 2 || computed++ != 5)
        std::puts("not fresh");
    strings.emplace_back("c");
    pthread_setspecific(key, &key);
    return reinterpret_cast<void *>(syscall(SYS_gettid));
}

void *use_only_second(void *)
{
    if (++second.uses != 1)
        std::puts("not fresh");
    return nullptr;
}

void *nothing(void *)
{
    return nullptr;
}

void *run(void *(*start)(void *))
{
    pthread_t thread;
    void *result = nullptr;
    if (pthread_create(&thread, nullptr, start, nullptr) != 0 || pthread_join(thread, &result) != 0)
        std::puts("no thread");
    return result;
}

void library()
{
    char path[PATH_MAX] = "";
    if (readlink("/proc/self/exe", path, sizeof path - 100) < 0)
        return;
    dirname(path);
    std::strcat(path, "/libfresh_objects_late.so");
    for (int i = 0; i < 10; i++) {
        void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
        if (!handle) {
            std::puts(dlerror());
            return;
        }
        auto start = reinterpret_cast<void *(*)(void *)>(dlsym(handle, "late_objects"));
        for (int j = 0; j < 5; j++)
            if (run(start) != reinterpret_cast<void *>(1))
                std::puts("late objects are not fresh");
        dlclose(handle);
        if (dlopen(path, RTLD_NOW | RTLD_NOLOAD))
            std::puts("still loaded");
    }
    // Closed by the task itself: loaded until its objects are destroyed, and as long after that as libc keeps it.
    int loaded = 0;
    for (int i = 0; i < 10; i++) {
        static void *handle;
        static void *(*start)(void *);
        handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
        start = reinterpret_cast<void *(*)(void *)>(dlsym(handle, "late_objects"));
        run([](void *) -> void * {
            start(nullptr);
            dlclose(handle);
            return nullptr;
        });
        if (void *still = dlopen(path, RTLD_NOW | RTLD_NOLOAD)) {
            loaded++;
            dlclose(still);
        }
    }
    std::printf("closed in the task, loaded after it: %d\n", loaded);
    std::puts("late library's objects");
}

} // namespace

int main()
{
    std::setvbuf(stdout, nullptr, _IOLBF, 0);
    alarm(100);
    pthread_key_create(&key, destroy_key);
    std::set<void *> tids;
    for (int i = 1; i <= 1000; i++) {
        std::string log;
        if (i == 1 || i == 2 || i == 1000)
            log_of_task = &log;
        tids.insert(run(task));
        log_of_task = nullptr;
        if (!log.empty())
            std::printf("task %d: %s, living %d\n", i, log.c_str(), living.load());
    }
    std::string log;
    log_of_task = &log;
    run(use_only_second);
    run(nothing);
    log_of_task = nullptr;
    std::printf("others: %s, living %d\n", log.c_str(), living.load());
    library();
    if (FILE *file = std::fopen("recycled", "a")) {
        std::fprintf(file, "objects 1000 %zu\n", tids.size());
        std::fclose(file);
    }
}
