/* context.c: scratch of predictions, kept in a locked list inside the model. A thread
 * takes a context, or makes one when none is idle, and gives it back; so a const model
 * serves any number of threads, and the list grows to as many contexts as were ever in
 * use at once. Their devices share the model's pool, which runs a job in the calling
 * thread when it is busy. */
#include "model/model.h"
#include <pthread.h>

struct rj_context_list {
    pthread_mutex_t lock;
    rj_context *idle;
};

static void context_free(rj_context *c)
{
    rj_tape_free(&c->tape);
    rj_device_close(c->dev);
    rj_free(c);
}

rij_status rj_contexts_new(struct rj_context_list **list)
{
    struct rj_context_list *l = rj_alloc(1, sizeof *l);

    RJ_REQUIRE(l, RIJ_E_MEMORY, "model: no memory");
    if (pthread_mutex_init(&l->lock, NULL) != 0) {
        rj_free(l);
        return rj_fail(RIJ_E_MEMORY, "model: no lock");
    }
    *list = l;
    return RIJ_OK;
}

void rj_contexts_free(struct rj_context_list *list)
{
    if (!list)
        return;
    while (list->idle) {
        rj_context *c = list->idle;

        list->idle = c->next;
        context_free(c);
    }
    pthread_mutex_destroy(&list->lock);
    rj_free(list);
}

rij_status rj_context_take(const rij_model *m, rj_context **context)
{
    struct rj_context_list *l = m->contexts;
    rij_status status;
    rj_context *c;

    pthread_mutex_lock(&l->lock);
    c = l->idle;
    if (c)
        l->idle = c->next;
    pthread_mutex_unlock(&l->lock);
    if (!c) {
        c = rj_alloc(1, sizeof *c);
        RJ_REQUIRE(c, RIJ_E_MEMORY, "predict: no memory");
        status = rj_device_open(m->device, m->pool, &c->dev);
        if (status != RIJ_OK) {
            rj_free(c);
            return status;
        }
        c->tape.dev = c->dev;
        c->tape.frozen = true;
    }
    c->next = NULL;
    c->dev->precision = m->precision;
    c->dev->isa = m->dev->isa; // what the model was made ready on
    *context = c;
    return RIJ_OK;
}

/* Given back empty; NULL is fine. */
void rj_context_give(const rij_model *m, rj_context *context)
{
    struct rj_context_list *l = m->contexts;

    if (!context)
        return;
    rj_tape_reset(&context->tape);
    pthread_mutex_lock(&l->lock);
    context->next = l->idle;
    l->idle = context;
    pthread_mutex_unlock(&l->lock);
}
