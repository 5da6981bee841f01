using System.Collections.Concurrent;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.ML.LoraInit.Hosting;
using Microsoft.ML.LoraInit.Tests.Hosts;
using Microsoft.ML.LoraInit.Tests.Trainers;

namespace Microsoft.ML.LoraInit.Tests.Hosting;

/// <summary>A service without a host or a web server: the model of a file in a temporary folder, asked for rows of <see cref="Topics"/>.</summary>
internal sealed class HostedTopics : IAsyncDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly ServiceProvider _services;

    public HostedTopics(SavedModel? model, Action<LoraTextOptions<Topics.Row>>? change = null, LogLevel log = LogLevel.Debug)
    {
        ModelPath = _folder.File("model.mlnet");
        model?.MoveTo(ModelPath);
        var services = new ServiceCollection().AddLogging(logging => logging.SetMinimumLevel(log).AddProvider(Log));
        services.AddLoraText<Topics.Row, Topics.Prediction>("topics", o =>
        {
            (o.ModelPath, o.PollInterval) = (ModelPath, TimeSpan.FromMilliseconds(20));
            change?.Invoke(o);
        });
        services.AddHealthChecks().AddLoraText("topics");
        _services = services.BuildServiceProvider();
    }

    public string Folder => _folder.Path;

    public string ModelPath { get; }

    public LogList Log { get; } = new();

    public IServiceProvider Services => _services;

    public ITextPredictor<Topics.Row, Topics.Prediction> Predictor => _services.GetRequiredService<ITextPredictor<Topics.Row, Topics.Prediction>>();

    /// <summary>Waits until it is so, or fails with what is so instead.</summary>
    public async Task WaitUntil(Func<ITextModel, bool> condition, string what)
    {
        for (var end = DateTime.UtcNow.AddMinutes(2); !condition(Predictor);)
        {
            Assert.IsTrue(DateTime.UtcNow < end, $"It was waited in vain for this: {what}. Current: {Predictor.Current}; problem: {Predictor.Problem}");
            await Task.Delay(20);
        }
    }

    public async Task<bool> Says(SavedModel model, int row = 0) =>
        model.Says(Topics.Rows[row].Text, (await Predictor.PredictAsync(Topics.Rows[row])).Score);

    public async ValueTask DisposeAsync()
    {
        await _services.DisposeAsync();
        _folder.Dispose();
    }

    /// <summary>What was logged.</summary>
    internal sealed class LogList : ILoggerProvider
    {
        public ConcurrentQueue<(string Category, LogLevel Level, string Message)> Entries { get; } = new();

        public ILogger CreateLogger(string categoryName) => new Logger(categoryName, Entries);

        public void Dispose()
        {
            // Holds nothing.
        }

        private sealed class Logger(string category, ConcurrentQueue<(string, LogLevel, string)> entries) : ILogger
        {
            public IDisposable? BeginScope<TState>(TState state)
                where TState : notnull => null;

            public bool IsEnabled(LogLevel logLevel) => true;

            public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
                entries.Enqueue((category, logLevel, formatter(state, exception)));
        }
    }
}
