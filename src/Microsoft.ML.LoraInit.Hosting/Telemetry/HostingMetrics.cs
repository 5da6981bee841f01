using System.Diagnostics;
using System.Diagnostics.Metrics;

namespace Microsoft.ML.LoraInit.Hosting.Telemetry;

/// <summary>The instruments that <see cref="LoraTextTelemetry"/> describes, one set for all models.</summary>
internal sealed class HostingMetrics : IDisposable
{
    public const string Ok = "ok", Error = "error", Cancelled = "cancelled", Rejected = "rejected", Unavailable = "unavailable", Refused = "refused";

    public static readonly ActivitySource Activities = new(LoraTextTelemetry.ActivitySource);

    private readonly Meter _meter;
    private readonly bool _owned;
    private readonly Counter<long> _requests, _rows, _reloads;
    private readonly Histogram<double> _duration, _waited, _reloadDuration;
    private readonly Histogram<long> _batch;
    private readonly UpDownCounter<long> _queue, _models;

    /// <param name="factory">The services' own, or null for a meter of this object's.</param>
    public HostingMetrics(IMeterFactory? factory)
    {
        _owned = factory is null;
        _meter = factory?.Create(new MeterOptions(LoraTextTelemetry.Meter)) ?? new Meter(LoraTextTelemetry.Meter);
        _requests = _meter.CreateCounter<long>("loratext.requests", "{request}", "Calls, by kind and outcome.");
        _rows = _meter.CreateCounter<long>("loratext.rows", "{row}", "Rows predicted.");
        _reloads = _meter.CreateCounter<long>("loratext.reloads", "{reload}", "Files that were loaded, by outcome.");
        _duration = Seconds("loratext.request.duration", "A call's time, its wait in the queue included.");
        _waited = Seconds("loratext.queue.duration", "A queued call's wait.");
        _reloadDuration = Seconds("loratext.reload.duration", "Reading, loading and trying a file.");
        _batch = _meter.CreateHistogram<long>("loratext.batch.size", "{row}", "Rows of a call.", null,
            new InstrumentAdvice<long> { HistogramBucketBoundaries = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024] });
        _queue = _meter.CreateUpDownCounter<long>("loratext.queue.length", "{request}", "Calls that wait.");
        _models = _meter.CreateUpDownCounter<long>("loratext.models", "{model}", "Models in memory.");
    }

    public void Called(string model, string kind, string outcome, int rows, TimeSpan duration)
    {
        TagList tags = [new("model", model), new("kind", kind), new("outcome", outcome)];
        _requests.Add(1, tags);
        _duration.Record(duration.TotalSeconds, tags);
        if (outcome != Ok || rows == 0)
            return;
        _rows.Add(rows, new KeyValuePair<string, object?>("model", model));
        _batch.Record(rows, new KeyValuePair<string, object?>("model", model));
    }

    public void Queued(string model, int change) => _queue.Add(change, new KeyValuePair<string, object?>("model", model));

    public void Waited(string model, TimeSpan time) => _waited.Record(time.TotalSeconds, new KeyValuePair<string, object?>("model", model));

    public void ModelLoaded(string model) => _models.Add(1, new KeyValuePair<string, object?>("model", model));

    public void ModelDisposed(string model) => _models.Add(-1, new KeyValuePair<string, object?>("model", model));

    public void Reloaded(string model, TimeSpan duration, string outcome)
    {
        TagList tags = [new("model", model), new("outcome", outcome)];
        _reloads.Add(1, tags);
        _reloadDuration.Record(duration.TotalSeconds, tags);
    }

    public void Dispose()
    {
        if (_owned)
            _meter.Dispose();
    }

    private Histogram<double> Seconds(string name, string description) => _meter.CreateHistogram<double>(name, "s", description, null,
        new InstrumentAdvice<double> { HistogramBucketBoundaries = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10] });
}
