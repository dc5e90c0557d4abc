// Event-driven molecular dynamics of hard spheres with Verlet lists and a binary heap, one thread: what a
// physicist writes and compiles with -Ofast -march=native. Shares no code with the package.
//
// Each sphere has one event in the heap, its own first. Reads doubles from the standard input, writes doubles
// to the standard output (see main).
#include <chrono>
#include <cmath>
#include <cstdio>
#include <ctime>
#include <limits>
#include <vector>

struct Sphere {
  double x[3], v[3], time, radius;
};

struct Simulation {
  int n;
  double side, skin, now = 0, impulse = 0;
  long collisions = 0, builds = 0;
  std::vector<Sphere> s;
  std::vector<double> old, event;  // places at the last build; when the next event of each sphere comes
  std::vector<int> partner, known, count, begin, neighbour, heap, place;

  double nearest(double d) const { return d - side * std::rint(d / side); }

  void build() {
    ++builds;
    for (int i = 0; i < n; ++i)
      for (int d = 0; d < 3; ++d) old[3 * i + d] = s[i].x[d] + s[i].v[d] * (now - s[i].time);
    const int cells = std::max(1, static_cast<int>(side / (1 + skin)));
    std::vector<std::vector<int>> cell(cells * cells * cells);
    auto slice = [&](double x) { return static_cast<int>((x / side - std::floor(x / side)) * cells) % cells; };
    for (int i = 0; i < n; ++i) cell[(slice(old[3 * i + 2]) * cells + slice(old[3 * i + 1])) * cells + slice(old[3 * i])].push_back(i);
    neighbour.clear();
    const int reach = cells < 3 ? 0 : 1, low = -reach, high = cells < 3 ? cells - 1 : 1;
    for (int i = 0; i < n; ++i) {
      begin[i] = neighbour.size();
      const int c[3] = {slice(old[3 * i]), slice(old[3 * i + 1]), slice(old[3 * i + 2])};
      for (int z = low; z <= high; ++z)
        for (int y = low; y <= high; ++y)
          for (int x = low; x <= high; ++x)
            for (int j : cell[((c[2] + z + cells) % cells * cells + (c[1] + y + cells) % cells) * cells + (c[0] + x + cells) % cells]) {
              double r2 = 0;
              for (int d = 0; d < 3; ++d) r2 += nearest(old[3 * j + d] - old[3 * i + d]) * nearest(old[3 * j + d] - old[3 * i + d]);
              const double cut = s[i].radius + s[j].radius + skin;
              if (i != j && r2 < cut * cut) neighbour.push_back(j);
            }
    }
    begin[n] = neighbour.size();
  }

  void foresee(int i) {
    const Sphere& a = s[i];
    double x[3], r2 = 0, xv = 0, v2 = 0;
    for (int d = 0; d < 3; ++d) {
      x[d] = a.x[d] + a.v[d] * (now - a.time);
      const double u = x[d] - old[3 * i + d];
      r2 += u * u, xv += u * a.v[d], v2 += a.v[d] * a.v[d];
    }
    double first = (std::sqrt(xv * xv + v2 * (skin * skin / 4 - r2)) - xv) / v2;
    int who = -1;
    for (int k = begin[i]; k < begin[i + 1]; ++k) {
      const int j = neighbour[k];
      const Sphere& b = s[j];
      double dr2 = 0, drv = 0, dv2 = 0;
      for (int d = 0; d < 3; ++d) {
        const double dx = nearest(b.x[d] + b.v[d] * (now - b.time) - x[d]), dv = b.v[d] - a.v[d];
        dr2 += dx * dx, drv += dx * dv, dv2 += dv * dv;
      }
      if (drv >= 0) continue;
      const double c = dr2 - (a.radius + b.radius) * (a.radius + b.radius), inside = drv * drv - dv2 * c;
      if (inside < 0) continue;
      const double time = std::fmax(0, c / (std::sqrt(inside) - drv));
      if (time < first) first = time, who = j;
    }
    event[i] = now + first, partner[i] = who, known[i] = who < 0 ? 0 : count[who];
  }

  void settle(int at) {  // sphere heap[at] goes up or down to where its time belongs
    const int i = heap[at];
    for (; at > 0 && event[i] < event[heap[(at - 1) / 2]]; at = (at - 1) / 2) place[heap[at] = heap[(at - 1) / 2]] = at;
    for (int child = 2 * at + 1; child < n; child = 2 * at + 1) {
      if (child + 1 < n && event[heap[child + 1]] < event[heap[child]]) ++child;
      if (event[i] <= event[heap[child]]) break;
      place[heap[at] = heap[child]] = at, at = child;
    }
    place[heap[at] = i] = at;
  }

  void start_anew() {
    build();
    for (int i = 0; i < n; ++i) foresee(i), heap[i] = place[i] = i;
    for (int at = n / 2; at >= 0; --at) settle(at);
  }

  void collide(int i, int j) {
    double dx[3], r2 = 0, xv = 0;
    for (int k : {i, j}) {
      for (int d = 0; d < 3; ++d) s[k].x[d] += s[k].v[d] * (now - s[k].time);
      s[k].time = now, ++count[k];
    }
    for (int d = 0; d < 3; ++d) {
      dx[d] = nearest(s[j].x[d] - s[i].x[d]);
      r2 += dx[d] * dx[d], xv += dx[d] * (s[j].v[d] - s[i].v[d]);
    }
    for (int d = 0; d < 3; ++d) s[i].v[d] += xv / r2 * dx[d], s[j].v[d] -= xv / r2 * dx[d];
    impulse -= xv, ++collisions;
  }

  void run(double end) {
    while (event[heap[0]] <= end) {
      const int i = heap[0], j = partner[i];
      now = event[i];
      if (j < 0) {
        start_anew();
        continue;
      }
      if (count[j] == known[i]) {
        collide(i, j);
        foresee(j), settle(place[j]);
      }
      foresee(i), settle(place[i]);
    }
    now = end;
  }
};

// In: n, side, skin, duration, then n of each: x, y, z, three velocities, radius.
// Out: wall seconds, processor seconds, collisions, list builds, sum of r . dp.
int main() {
  double head[4];
  if (std::fread(head, sizeof(double), 4, stdin) != 4) return 1;
  Simulation m;
  m.n = static_cast<int>(head[0]), m.side = head[1], m.skin = head[2];
  const int n = m.n;
  std::vector<double> given(7 * n);
  if (std::fread(given.data(), sizeof(double), 7 * n, stdin) != static_cast<size_t>(7 * n)) return 1;
  m.s.resize(n), m.old.resize(3 * n), m.event.resize(n), m.begin.resize(n + 1);
  m.partner.resize(n), m.known.resize(n), m.count.resize(n), m.heap.resize(n), m.place.resize(n);
  for (int i = 0; i < n; ++i) {
    for (int d = 0; d < 3; ++d) m.s[i].x[d] = given[7 * i + d], m.s[i].v[d] = given[7 * i + 3 + d];
    m.s[i].time = 0, m.s[i].radius = given[7 * i + 6];
  }
  const auto wall = std::chrono::steady_clock::now();
  const std::clock_t processor = std::clock();
  m.start_anew();
  m.run(head[3]);
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - wall).count();
  const double out[5] = {seconds, static_cast<double>(std::clock() - processor) / CLOCKS_PER_SEC, static_cast<double>(m.collisions),
                         static_cast<double>(m.builds), m.impulse};
  return std::fwrite(out, sizeof(double), 5, stdout) != 5;
}
