// Runs tasks that do nothing by std::async, each on a thread of its own, one at a time; prints nanoseconds per task.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <future>

static void run_one()
{
    std::async(std::launch::async, [] {}).get();
}

int main(int argc, char **argv)
{
    int total = argc > 1 ? std::atoi(argv[1]) : 5000;
    run_one();
    auto from = std::chrono::steady_clock::now();
    for (int i = 0; i < total; i++)
        run_one();
    std::chrono::duration<double, std::nano> taken = std::chrono::steady_clock::now() - from;
    std::printf("%.1f\n", taken.count() / total);
}
