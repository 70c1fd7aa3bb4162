#pragma once

#include <csignal>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include <sys/wait.h>
#include <unistd.h>

namespace bench {

// Another program that answers each line with a line: for comparisons that cannot be linked.
class Coprocess {
public:
    explicit Coprocess(std::vector<std::string> command) {
        std::signal(SIGPIPE, SIG_IGN);
        int to[2], from[2];
        if (pipe(to) != 0 || pipe(from) != 0) return;
        child_ = fork();
        if (child_ == 0) {
            dup2(to[0], STDIN_FILENO);
            dup2(from[1], STDOUT_FILENO);
            for (const int fd : {to[0], to[1], from[0], from[1]}) close(fd);
            std::vector<char*> words;
            for (auto& word : command) words.push_back(word.data());
            words.push_back(nullptr);
            execvp(words[0], words.data());
            _exit(127);
        }
        close(to[0]);
        close(from[1]);
        to_ = fdopen(to[1], "w");
        from_ = fdopen(from[0], "r");
    }
    ~Coprocess() {
        if (to_ != nullptr) std::fclose(to_);
        if (from_ != nullptr) std::fclose(from_);
        if (child_ > 0) waitpid(child_, nullptr, 0);
    }
    Coprocess(const Coprocess&) = delete;
    Coprocess& operator=(const Coprocess&) = delete;

    // Empty if the program has ended.
    std::string ask(const std::string& line) {
        if (to_ == nullptr || std::fprintf(to_, "%s\n", line.c_str()) < 0 || std::fflush(to_) != 0)
            return {};
        std::string answer;
        for (int c; (c = std::fgetc(from_)) != EOF && c != '\n';) answer += static_cast<char>(c);
        return answer;
    }

private:
    pid_t child_ = -1;
    std::FILE* to_ = nullptr;
    std::FILE* from_ = nullptr;
};

} // namespace bench
