using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net.Http.Json;
using Microsoft.ML.LoraInit.Samples.Web.Endpoints;

namespace Microsoft.ML.LoraInit.Tests.Hosts;

/// <summary>Clients that ask one question after the other, while the model file is replaced twice.</summary>
internal sealed class LoadRun(HttpClient client, string modelPath, int clients, bool onnx = false)
{
    private readonly ConcurrentBag<TimeSpan> _latencies = [];
    private readonly ConcurrentQueue<string> _errors = new();

    // Who may answer: one model, or two while a file is being replaced. A request that is under way meanwhile may have its
    // answer from any model of the phases from its beginning to its end.
    private volatile SavedModel[][] _phases = [[SavedModel.First]];

    public IReadOnlyCollection<string> Errors => _errors;

    public int Count => _latencies.Count;

    /// <summary>Starts from <see cref="SavedModel.First"/>, goes to the second and comes back to it.</summary>
    /// <param name="part">Time before, between and after the two replacements; more where as many answers as there are clients take longer.</param>
    /// <param name="measure">Called at the end of each of the three parts.</param>
    public async Task Run(TimeSpan part, Action measure)
    {
        using var stop = new CancellationTokenSource();
        var asking = Enumerable.Range(0, clients).Select(i => Task.Run(() => Ask(i, stop.Token))).ToArray();
        await Last(part);
        measure();
        await Replace(SavedModel.First, SavedModel.Second);
        await Last(part);
        measure();
        await Replace(SavedModel.Second, SavedModel.First);
        await Last(part);
        measure();
        await stop.CancelAsync();
        await Task.WhenAll(asking);
    }

    /// <summary>The time within which a share of the requests was answered, in milliseconds.</summary>
    public double Percentile(double share)
    {
        var sorted = _latencies.Order().ToArray();
        return sorted[(int)Math.Min(sorted.Length - 1, share * sorted.Length)].TotalMilliseconds;
    }

    private async Task Last(TimeSpan part)
    {
        int before = Count;
        await Task.Delay(part);
        for (var end = DateTime.UtcNow.AddMinutes(2); Count < before + clients && _errors.IsEmpty && DateTime.UtcNow < end;)
            await Task.Delay(20);
    }

    private async Task Replace(SavedModel from, SavedModel to)
    {
        var before = (await WebHost.Health(client)).Model!.Version;
        _phases = [.. _phases, [from, to]];
        to.MoveTo(modelPath, onnx);
        await WebHost.WaitFor(client, h => h.Model!.Version != before);
        _phases = [.. _phases, [to]];
    }

    private async Task Ask(int index, CancellationToken stop)
    {
        for (int i = index; !stop.IsCancellationRequested; i++)
        {
            var text = SavedModel.Texts[i % SavedModel.Texts.Count];
            int phase = _phases.Length - 1;
            var watch = Stopwatch.StartNew();
            try
            {
                using var response = await client.PostAsJsonAsync("/predict", new { text }, CancellationToken.None);
                response.EnsureSuccessStatusCode();
                var prediction = (await response.Content.ReadFromJsonAsync<PredictEndpoint.Prediction>(CancellationToken.None))!;
                _latencies.Add(watch.Elapsed);
                if (!_phases.Skip(phase).SelectMany(models => models).Any(m => m.Says(text, prediction)))
                    _errors.Enqueue($"A wrong answer to '{text}': {string.Join(", ", prediction.Probabilities)}");
            }
            catch (Exception e)
            {
                _errors.Enqueue(e.Message);
            }
        }
    }
}
