using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.ML.LoraInit.Hosting;
using Microsoft.ML.LoraInit.Tests.Hosts;
using Microsoft.ML.LoraInit.Tests.Persistence;
using Microsoft.ML.LoraInit.Tests.Trainers;

namespace Microsoft.ML.LoraInit.Tests.Hosting;

/// <summary>Models in an application's services.</summary>
[TestClass]
[DoNotParallelize]
public sealed class RegistrationTests
{
    [TestMethod]
    public async Task SeveralModelsAnswerByTheirNames()
    {
        using var folder = new TemporaryFolder();
        await using var services = Services(folder, ("a", SavedModel.First), ("b", SavedModel.Second)).BuildServiceProvider();
        var row = Topics.Rows[0];
        var byKey = services.GetRequiredKeyedService<ITextPredictor<Topics.Row, Topics.Prediction>>("a");
        var factory = services.GetRequiredService<ITextPredictorFactory>();

        Assert.IsTrue(SavedModel.First.Says(row.Text, (await byKey.PredictAsync(row)).Score));
        Assert.IsTrue(SavedModel.Second.Says(row.Text, (await factory.Get<Topics.Row, Topics.Prediction>("b").PredictAsync(row)).Score));
        CollectionAssert.AreEqual((string[])["a", "b"], factory.Names.ToArray());
        CollectionAssert.AreEqual((string[])["a", "b"], services.GetServices<ITextModel>().Select(m => m.Name).ToArray());
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(() => factory.Get<Topics.Row, Topics.Prediction>("c")).Message, "'a', 'b'");
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(() => factory.Get<Topics.Row, RegistrationTestsAnswer>("a")).Message, "Prediction");
        StringAssert.Contains(Assert.ThrowsExactly<InvalidOperationException>(() => services.GetRequiredService<ITextPredictor<Topics.Row, Topics.Prediction>>()).Message, "FromKeyedServices(\"a\")");
    }

    [TestMethod]
    public void ANameIsGivenOnce()
    {
        using var folder = new TemporaryFolder();
        var services = Services(folder, ("a", SavedModel.First));
        var error = Assert.ThrowsExactly<ArgumentException>(() => services.AddLoraText<Topics.Row, Topics.Prediction>("a", _ => { }));
        StringAssert.Contains(error.Message, "'a' already");
    }

    public static IEnumerable<object[]> WrongOptions =>
    [
        [(Action<LoraTextOptions<Topics.Row>>)(o => o.ModelPath = " "), "ModelPath"],
        [(Action<LoraTextOptions<Topics.Row>>)(o => o.ModelPath = Path.GetTempPath()), "folder"],
        [(Action<LoraTextOptions<Topics.Row>>)(o => o.PollInterval = TimeSpan.Zero), "PollInterval"],
        [(Action<LoraTextOptions<Topics.Row>>)(o => o.ContentCheckInterval = TimeSpan.Zero), "ContentCheckInterval"],
        [(Action<LoraTextOptions<Topics.Row>>)(o => o.MaxConcurrency = 0), "MaxConcurrency"],
        [(Action<LoraTextOptions<Topics.Row>>)(o => o.MaxQueue = -1), "MaxQueue"],
        [(Action<LoraTextOptions<Topics.Row>>)(o => o.StreamWindow = 0), "StreamWindow"],
        [(Action<LoraTextOptions<Topics.Row>>)(o => o.TrialInputs.Add(null!)), "TrialInputs"],
    ];

    [TestMethod]
    [DynamicData(nameof(WrongOptions))]
    public async Task WrongOptionsEndTheStartByName(object change, string said)
    {
        var builder = Host.CreateEmptyApplicationBuilder(null);
        builder.Services.AddLoraText<Topics.Row, Topics.Prediction>("reviews", o =>
        {
            o.ModelPath = "model.mlnet";
            ((Action<LoraTextOptions<Topics.Row>>)change)(o);
        });
        using var host = builder.Build();
        var error = await Assert.ThrowsExactlyAsync<ArgumentException>(() => host.StartAsync());
        StringAssert.Contains(error.Message, "'reviews'");
        StringAssert.Contains(error.Message, said);
    }

    [TestMethod]
    public async Task AHostLoadsBeforeAnybodyAsks()
    {
        using var folder = new TemporaryFolder();
        using var metrics = new MetricList();
        var builder = Host.CreateEmptyApplicationBuilder(null);
        foreach (var service in Services(folder, ("a", SavedModel.First)))
            builder.Services.Add(service);
        using var host = builder.Build();
        await host.StartAsync();
        Assert.IsTrue(SpinWait.SpinUntil(() => metrics.Sum("loratext.reloads", "outcome=ok") == 1, TimeSpan.FromMinutes(2)));
        await host.StopAsync();
    }

    [TestMethod]
    public async Task WhatCannotBePreparedIsSaid()
    {
        await using var host = new HostedTopics(SavedModel.First, o => o.Prepare = _ => throw new NotSupportedException("no such provider"));
        await Assert.ThrowsExactlyAsync<ModelUnavailableException>(() => host.Predictor.PredictAsync(Topics.Rows[0]));
        Assert.IsTrue(host.Log.Entries.Any(e => e.Message.Contains("no such provider", StringComparison.Ordinal)));
    }

    [TestMethod]
    public async Task AModelWithoutItsBaseSaysWhatToDo()
    {
        await using var host = new HostedTopics(null);
        using var folder = new TemporaryFolder();
        var (ml, directory) = (Topics.Context(), MiniFolder.Create(folder));
        using (var model = Topics.Pipeline(ml, Topics.Options(o => (o.BaseModel, o.MaxEpochs, o.SaveMode) = (RobertaCheckpoint.FromDirectory(directory), 1, ModelSaveMode.AdapterOnly))).Fit(Topics.View(ml)))
            ml.Model.Save(model, null, host.ModelPath);
        Directory.Delete(directory, recursive: true);

        await Assert.ThrowsExactlyAsync<ModelUnavailableException>(() => host.Predictor.PredictAsync(Topics.Rows[0]));
        StringAssert.Contains(host.Log.Entries.First(e => e.Message.Contains("cannot be loaded", StringComparison.Ordinal)).Message, "saved without its base");
    }

    private static ServiceCollection Services(TemporaryFolder folder, params (string Name, SavedModel Model)[] models)
    {
        var services = new ServiceCollection();
        foreach (var (name, model) in models)
        {
            model.MoveTo(folder.File(name));
            services.AddLoraText<Topics.Row, Topics.Prediction>(name, o => o.ModelPath = folder.File(name));
        }
        return services;
    }

    internal sealed class RegistrationTestsAnswer
    {
        public string PredictedLabel { get; set; } = "";
    }
}
