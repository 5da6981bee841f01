using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using Microsoft.ML.LoraInit.Hosting;

namespace Microsoft.ML.LoraInit.Tests.Hosting;

/// <summary>What the meters of hosted models said since this was made.</summary>
internal sealed class MetricList : IDisposable
{
    private readonly MeterListener _listener = new();
    private readonly ConcurrentQueue<(string Name, double Value, string Tags)> _values = new();

    public MetricList()
    {
        _listener.InstrumentPublished = (instrument, listener) =>
        {
            if (instrument.Meter.Name is LoraTextTelemetry.Meter or LoraTextTelemetry.ScoringMeter)
                listener.EnableMeasurementEvents(instrument);
        };
        _listener.SetMeasurementEventCallback<long>((instrument, value, tags, _) => Add(instrument, value, tags));
        _listener.SetMeasurementEventCallback<double>((instrument, value, tags, _) => Add(instrument, value, tags));
        _listener.Start();
    }

    public double Sum(string name, string tag = "") => Of(name, tag).Sum();

    public int Count(string name, string tag = "") => Of(name, tag).Count();

    public void Dispose() => _listener.Dispose();

    private IEnumerable<double> Of(string name, string tag) =>
        _values.Where(v => v.Name == name && v.Tags.Contains(tag, StringComparison.Ordinal)).Select(v => v.Value);

    private void Add(Instrument instrument, double value, ReadOnlySpan<KeyValuePair<string, object?>> tags) =>
        _values.Enqueue((instrument.Name, value, string.Join(' ', tags.ToArray().Select(t => $"{t.Key}={t.Value}"))));
}
