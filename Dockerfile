# Debian 12 with everything that ./dev needs: to run, test, measure, document and check the stages.
#
# Build the image:
#     docker build --tag go-netpoll .
# Start stage 1; then, in another terminal outside: nc localhost 8080
#     docker run --rm -it --init -p 8080:8080 go-netpoll ./dev run 1
# Look at system calls; strace needs the capability SYS_PTRACE:
#     docker run --rm -it --init --cap-add=SYS_PTRACE go-netpoll bash
# Run the tests. With --privileged, a test can unplug a virtual network cable, and `./dev test --all` can fix the
# addresses that g++ 12's thread sanitizer needs. Before Docker 26, a container has no [::1] without the sysctl:
#     docker run --rm -it --init --privileged --sysctl net.ipv6.conf.all.disable_ipv6=0 go-netpoll ./dev test
# Work on your own copy of the sources instead of the image's; build/ then belongs to root:
#     docker run --rm -it --init -p 8080:8080 --volume "$PWD:/src" go-netpoll bash

FROM debian:12 AS tools
ENV LANG=C.UTF-8
# `dev` knows which packages its commands need. The others make the container a place to work in: git and clangd
# for the editor, `ip`, `ps` and `ss` for tests and recordings, nc to talk to a server.
COPY dev /opt/go-netpoll/dev
RUN apt-get update \
    && apt-get install --yes --no-install-recommends \
        ca-certificates clangd-19 git iproute2 less netcat-openbsd procps sudo \
    && /opt/go-netpoll/dev install \
    && rm -rf /var/lib/apt/lists/*
# The development container works as this user, so that files of the tree belong to you. /src may belong to
# anybody; git has to be told that this is meant.
RUN useradd --create-home --shell /bin/bash reader \
    && echo 'reader ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/reader \
    && git config --system --add safe.directory /src

FROM tools
WORKDIR /src
COPY . .
EXPOSE 8080
CMD ["./dev", "help"]
