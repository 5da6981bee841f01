using System.Collections.Concurrent;
using System.Diagnostics;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Logging;
using Microsoft.ML.LoraInit.Hosting;
using Microsoft.ML.LoraInit.Hosting.Telemetry;
using Microsoft.ML.LoraInit.Tests.Hosts;
using Microsoft.ML.LoraInit.Tests.Trainers;

namespace Microsoft.ML.LoraInit.Tests.Hosting;

/// <summary>What an operator sees of hosted models.</summary>
[TestClass]
[DoNotParallelize]
public sealed class TelemetryTests
{
    [TestMethod]
    public async Task MetricsTellOfCallsRowsAndReloads()
    {
        using var metrics = new MetricList();
        await using var host = new HostedTopics(SavedModel.First);
        await host.Predictor.PredictAsync(Topics.Rows[0]);
        await host.Predictor.PredictAsync([.. Topics.Rows.Take(7)]);
        await host.Predictor.ExplainAsync(Topics.Rows[0], new() { Steps = 2 });
        FileEvents.MoveOver(host.ModelPath, "no model"u8.ToArray());
        await host.WaitUntil(m => m.Problem is not null, "the refusal");

        Assert.AreEqual(1, metrics.Sum("loratext.requests", "model=topics kind=one outcome=ok"));
        Assert.AreEqual(1, metrics.Sum("loratext.requests", "kind=explain outcome=ok"));
        Assert.AreEqual(8, metrics.Sum("loratext.rows", "model=topics"));
        Assert.AreEqual(2, metrics.Count("loratext.batch.size"));
        Assert.AreEqual(3, metrics.Count("loratext.request.duration"));
        Assert.AreEqual(1, metrics.Sum("loratext.reloads", "outcome=ok"));
        Assert.AreEqual(1, metrics.Sum("loratext.reloads", "outcome=refused"));
        Assert.IsTrue(metrics.Sum("loratext.reload.duration", "outcome=ok") > 0);
        Assert.IsTrue(metrics.Count("lorainit.batch.size") > 0, "rows of a forward pass");
    }

    [TestMethod]
    public async Task TheQueueIsSeenWhileItLasts()
    {
        using var metrics = new MetricList();
        await using var host = new HostedTopics(SavedModel.First, o => o.MaxConcurrency = 1);
        await host.Predictor.WaitForFirstLoadAsync();
        using var gate = new ManualResetEventSlim(false);
        var slow = host.Predictor.PredictAsync(new TextPredictorTests.GatedRows(gate)); // Holds the only place until the gate opens.
        Task[] waiting = [.. Enumerable.Range(0, 20).Select(i => host.Predictor.PredictAsync(Topics.Rows[i]))];
        Assert.AreEqual(20, metrics.Sum("loratext.queue.length"));
        gate.Set();
        await Task.WhenAll([slow, .. waiting]);

        Assert.AreEqual(0, metrics.Sum("loratext.queue.length"), "all have left it");
        Assert.AreEqual(20, metrics.Count("loratext.queue.duration"));
    }

    [TestMethod]
    public async Task ActivitiesNameModelVersionAndOutcome()
    {
        var ended = new ConcurrentQueue<Activity>();
        using var listener = new ActivityListener
        {
            ShouldListenTo = source => source.Name == LoraTextTelemetry.ActivitySource,
            Sample = (ref _) => ActivitySamplingResult.AllData,
            ActivityStopped = ended.Enqueue,
        };
        ActivitySource.AddActivityListener(listener);
        await using var host = new HostedTopics(SavedModel.First);
        await host.Predictor.PredictAsync(Topics.Rows[0]);

        var (reload, predict) = (ended.Single(a => a.OperationName == "loratext reload"), ended.Single(a => a.OperationName == "loratext predict"));
        Assert.AreEqual(ActivityStatusCode.Ok, reload.Status);
        Assert.AreEqual("topics", predict.GetTagItem("model"));
        Assert.AreEqual(host.Predictor.Current!.Version, predict.GetTagItem("version"));
        Assert.AreEqual("ok", predict.GetTagItem("outcome"));
    }

    [TestMethod]
    public async Task TheHealthFollowsTheFile()
    {
        await using var host = new HostedTopics(null);
        var health = host.Services.GetRequiredService<HealthCheckService>();
        await host.Predictor.WaitForFirstLoadAsync();
        var missing = (await health.CheckHealthAsync()).Entries["topics"];
        SavedModel.First.MoveTo(host.ModelPath);
        await host.WaitUntil(m => m.Problem is null, "the model");
        var good = (await health.CheckHealthAsync()).Entries["topics"];
        File.Delete(host.ModelPath);
        await host.WaitUntil(m => m.Problem is not null, "that the file is gone");
        var gone = (await health.CheckHealthAsync()).Entries["topics"];

        Assert.AreEqual((HealthStatus.Unhealthy, HealthStatus.Healthy, HealthStatus.Degraded), (missing.Status, good.Status, gone.Status));
        Assert.AreEqual("There is no file model.mlnet.", missing.Description);
        Assert.AreEqual(host.Predictor.Current!.Version, good.Data["version"]);
        Assert.IsFalse($"{missing.Description}{gone.Description}".Contains(host.Folder, StringComparison.Ordinal));
    }

    [TestMethod]
    public async Task TheLogTellsOfModelsOnce()
    {
        await using var host = new HostedTopics(SavedModel.First);
        await host.Predictor.PredictAsync(Topics.Rows[0]);
        FileEvents.MoveOver(host.ModelPath, "no model"u8.ToArray());
        await host.WaitUntil(m => m.Problem is not null, "the refusal");
        await Task.Delay(200);

        Assert.AreEqual(1, host.Log.Entries.Count(e => e.Level == LogLevel.Information && e.Message.Contains("version " + host.Predictor.Current!.Version, StringComparison.Ordinal)));
        Assert.AreEqual(1, host.Log.Entries.Count(e => e.Level == LogLevel.Warning && e.Message.Contains(host.ModelPath, StringComparison.Ordinal)), "said once, however often it is looked at");
    }

    [TestMethod]
    public void WhatMLNetSaysIsLoggedWithItsSource()
    {
        using var log = new HostedTopics.LogList();
        var ml = new MLContext(seed: 1);
        MLContextLog.Attach(ml, log.CreateLogger(MLContextLog.Category));
        var rows = ml.Data.LoadFromEnumerable(Enumerable.Range(0, 20).Select(i => new Topics.Row { Text = "a", Value = i, Weight = i }));
        ml.Transforms.Concatenate("Features", "Weight").Append(ml.Regression.Trainers.Sdca("Value", maximumNumberOfIterations: 2)).Fit(rows);

        Assert.IsTrue(log.Entries.Any(e => e.Category == "Microsoft.ML" && e.Message.StartsWith("[Sdca", StringComparison.Ordinal)), string.Join('\n', log.Entries));
    }
}
